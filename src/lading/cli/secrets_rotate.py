"""``lading secrets rotate``: a new value, and a rollout of the very release that serves."""

from __future__ import annotations

import sys
from typing import Any

from lading.cli.secrets_store import path_of, typed, warn_of_placeholders
from lading.cli.state import State, echo_json
from lading.client.agent import Agent, requester
from lading.model.errors import LadingError

Entries = dict[str, dict[str, Any]]


def rotate_secrets(
    state: State, environment: str, names: tuple[str, ...], made: dict[str, int], *, deploy: bool
) -> int:
    """Store new values of secrets that are there, roll them out, and return the exit status.

    ``made`` says which values the agent makes, and with how many characters; all others are read here.
    """
    agent = state.agent_for(environment)
    entries: Entries = {entry["name"]: entry for entry in agent.get(path_of(state, environment))["entries"]}
    _check(environment, names, entries, reading=not made)
    if deploy:
        _check_free(state, agent, environment)
    values = {} if made else {name: typed(environment, name) for name in names}
    warn_of_placeholders(state, environment, values)
    versions: dict[str, int] = agent.put(path_of(state, environment), {"values": values, "generate": made})["secrets"]
    _tell(state, environment, versions, entries)
    why = _why_no_rollout(environment, versions, entries, deploy=deploy)
    if why:
        state.say(why)
        state.result({"secrets": versions})
        return 0
    return _roll_out(state, agent, environment, versions, entries)


def refresh_secrets(state: State, environment: str) -> int:
    """Roll out what serves with the present values of secrets that come from elsewhere; return the exit status."""
    from lading.cli.rollouts import carry_out, refusals

    agent = state.agent_for(environment)
    before = {entry["name"]: entry for entry in agent.get(path_of(state, environment))["entries"]}
    sourced = [name for name, entry in before.items() if entry.get("source")]
    if not sourced:
        raise LadingError(
            "usage",
            doing=f"refreshing secrets of {environment}",
            happened="what serves there gets no secret from a command, variable or file",
            now="nothing was changed",
            hint=f"name one in [environments.{environment}.secrets], then: lading deploy {environment}",
        )
    request = {
        "kind": "rotate",
        "project": state.outline.name,
        "environment": environment,
        "requested_by": requester(),
    }
    with refusals(state, environment, None):
        status = carry_out(state, agent, request)
    now = agent.get(path_of(state, environment))["secrets"]
    for name in sourced:
        was, is_now = before[name]["version"], now.get(name, 0)
        state.say(f"{name:<28} " + (f"version {was} → {is_now}" if was != is_now else "the same value"))
    return status


def _check(environment: str, names: tuple[str, ...], entries: Entries, *, reading: bool) -> None:
    unset = [name for name in names if not entries.get(name, {}).get("version")]
    happened, hint = "", ""
    if unset:
        happened, hint = f"{', '.join(unset)} not set yet", f"lading secrets set {environment} {unset[0]}"
    elif reading and len(names) > 1 and not sys.stdin.isatty():
        happened = "standard input holds one value, and several secrets are named"
        hint = "name one of them, or add --generate"
    if happened:
        raise LadingError(
            "usage",
            doing=f"rotating secrets of {environment}",
            happened=happened,
            now="nothing was stored",
            hint=hint,
        )


def _check_free(state: State, agent: Agent, environment: str) -> None:
    from lading.cli.rollouts import newest

    last = newest(agent, state.outline.name, environment)
    if last is not None and last["outcome"] is None:
        raise LadingError(
            "busy",
            doing=f"rotating secrets of {environment}",
            happened=f"rollout {last['id']} is under way there",
            now="nothing was stored",
            hint=f"lading follow {environment}, then the same command again; --no-deploy only stores",
        )


def _tell(state: State, environment: str, versions: dict[str, int], entries: Entries) -> None:
    if state.json:
        echo_json({"event": {"kind": "secrets", "text": f"stored for {environment}", "data": {"versions": versions}}})
    for name, version in sorted(versions.items()):
        before = entries[name]["version"]
        state.say(f"{name:<28} version {before} → {version}" if before != version else f"{name:<28} the same value")


def _why_no_rollout(environment: str, versions: dict[str, int], entries: Entries, *, deploy: bool) -> str:
    behind = [name for name, version in versions.items() if entries[name]["serving"] not in (None, version)]
    if behind and deploy:
        return ""
    if behind:
        return f"stored only: what serves goes on with the old version; next: lading deploy {environment}"
    if all(entries[name]["serving"] is None for name in versions):
        return f"no rollout: nothing that serves in {environment} names {', '.join(sorted(versions))}"
    return f"no rollout: {environment} serves with this version already"


def _roll_out(state: State, agent: Agent, environment: str, versions: dict[str, int], entries: Entries) -> int:
    from lading.cli.rollouts import carry_out, refusals

    request = {
        "kind": "rotate",
        "project": state.outline.name,
        "environment": environment,
        "requested_by": requester(),
    }
    state.say("")
    with refusals(state, environment, None):
        try:
            status = carry_out(state, agent, request)
        except LadingError as error:
            raise _still_old(error, environment, versions, entries) from error
    if status:
        state.note("\n".join(f"  {line}" for line in _left(environment, versions, entries)))
    else:
        state.say(f"back to the value before: lading rollback {environment}")
    return status


def _left(environment: str, versions: dict[str, int], entries: Entries) -> list[str]:
    lines = [
        f"{name}: version {entries[name]['serving']} still serves, version {version} is stored"
        for name, version in sorted(versions.items())
        if entries[name]["serving"] not in (None, version)
    ]
    return [*lines, f"the stored version goes with the next rollout, such as: lading deploy {environment}"]


def _still_old(error: LadingError, environment: str, versions: dict[str, int], entries: Entries) -> LadingError:
    return LadingError(
        error.code,
        doing=error.doing,
        happened=error.happened,
        details=(*error.details, *_left(environment, versions, entries)),
        now=error.now,
        hint=error.hint,
    )
