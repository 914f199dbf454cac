"""``lading status``: what every environment serves."""

from __future__ import annotations

import time
from typing import Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.address import parse_address
from lading.model.errors import LadingError

CERTIFICATE_SOON = 21 * 86400  # seconds before its end from which a certificate is told of
UNKNOWN = ("agent-unreachable", "agent-refused", "not-supported")  # errors that leave an environment unknown


@click.command(cls=LadingCommand)
@click.argument("environment", required=False)
@pass_state
@click.pass_context
def status(ctx: click.Context, state: State, environment: str | None) -> None:
    """Show what ENVIRONMENT (every environment unless given) serves.

    Outside a project, every environment of one's own agent is shown. When an agent cannot be reached, its environments
    say so and the exit status is 7.
    """
    outline = state.outline_if_any()
    if outline is None and environment is None:
        found = _ask(state, state.agent, None)
    else:
        hosts = {environment: state.outline.host_of(environment)} if environment else state.outline.hosts
        if state.agent is not None:
            # A bad address is refused here; one in the manifest must not hide what the other environments serve.
            parse_address(state.agent)
            hosts = dict.fromkeys(hosts, state.agent)
        found = _of_project(state, hosts)
    state.result({"environments": found})
    for entry in found:
        for line in _lines(entry):
            state.say(line)
    if not found:
        state.say("no environment has been deployed yet; next: lading deploy local")
    for entry in found:
        if "error" in entry:
            ctx.exit(LadingError.from_plain(entry["error"]).exit_status)


def _of_project(state: State, hosts: dict[str, str | None]) -> list[dict[str, Any]]:
    project = state.outline.name
    known = {host: _ask(state, host, project) for host in dict.fromkeys(hosts.values())}
    found = []
    for name, host in hosts.items():
        answers = known[host]
        lost = next((entry for entry in answers if "error" in entry), {})
        mine = next((entry for entry in answers if entry["name"] == name), None)
        found.append(mine or {**_nothing(name, project), **{key: lost[key] for key in ("error",) if key in lost}})
    return found


def _ask(state: State, host: str | None, project: str | None) -> list[dict[str, Any]]:
    try:
        entries: list[dict[str, Any]] = state.agent_at(host).get("/v1/environments", project=project)["environments"]
    except LadingError as error:
        # One environment's host must not hide what the others serve.
        if error.code not in UNKNOWN or project is None:
            raise
        return [{**_nothing("", project), "error": error.to_plain()}]
    return entries


def _nothing(name: str, project: str) -> dict[str, Any]:
    return {"name": name, "project": project, "release": None, "digest": None, "url": "", "instances": []}


def _lines(entry: dict[str, Any]) -> list[str]:
    from lading.cli.words import age, short

    name = f"{entry['name']:<14}"
    if "error" in entry:
        error = entry["error"]
        return [f"{name} not known: {error['doing']}: {error['happened']}", f"  next:    {error['hint']}"]
    lines = [f"{name} {_idle(entry)}"]
    if entry["release"]:
        since = f"  since {age(entry['since'])}" if entry.get("since") else ""
        url = f"  {entry['url']}" if entry["url"] else ""
        lines = [f"{name} {entry['release']:<12} {short(entry['digest'])}{url}{since}"]
    lines += [*_closed(entry), *_certificate(entry)]
    lines += [f"  {_instance(one)}" for one in entry["instances"]]
    lines += [f"  {said}" for said in map(_job, entry.get("jobs", ())) if said]
    if entry.get("canary"):
        canary = entry["canary"]
        lines.append(f"  {canary['release']} gets {canary['share'] * 100:.3g} % of the requests")
    if entry.get("rollout"):
        running = entry["rollout"]
        lines.append(f"  rollout {running['id']} under way: {running['kind']} {running['release']}, {running['step']}")
    if entry.get("standby"):
        # By name: after a rollback it is the newer release that stands by, and that is no way back.
        lines.append(f"  {entry['standby']} stands by for: lading rollback {entry['name']} --to {entry['standby']}")
    if entry.get("alert"):
        lines.append(f"  ALERT {entry['alert']}")
    return lines


def _closed(entry: dict[str, Any]) -> list[str]:
    from lading.cli.words import age

    under = entry.get("maintenance")
    if not under:
        return []
    told = f": {under['message']}" if under.get("message") else ""
    return [
        f"  MAINTENANCE since {age(under['since'])}, by {under['by']}{told}; lading maintenance off {entry['name']}"
    ]


def _job(job: dict[str, Any]) -> str:
    """Return a job's line: when it runs next, how it ended last; empty where there is nothing to say."""
    from lading.cli.words import age, count, seconds

    parts = []
    if job["schedule"]:
        zone = "" if job["timezone"] == "UTC" else f" {job['timezone']}"
        when = f"next in {seconds(max(0.0, job['next'] - time.time()))}" if job["next"] else "never comes"
        parts.append(f"{job['schedule']}{zone}, {when if job['on'] else 'schedules are off here'}")
    if job["running"]:
        parts.append(f"{count(job['running'], 'run')} under way")
    if job["last"] is not None and job["last"]["ending"] is not None:
        last = job["last"]
        ending = f"missed {count(last['slots'], 'time')}" if last["ending"] == "missed" else last["ending"]
        parts.append(f"last: run {last['id']} {ending.replace('_', ' ')} {age(last['finished'])}")
    return f"{job['name']:<12} {' · '.join(parts)}" if parts else ""


def _certificate(entry: dict[str, Any]) -> list[str]:
    state = entry.get("certificate")
    if not state:
        return []
    if state["not_after"] is None:
        return [f"  no certificate yet ({state['source']}): {state['trouble'] or 'lading doctor says more'}"]
    ends = time.strftime("%Y-%m-%d", time.gmtime(state["not_after"]))
    trouble = f"; a newer one was refused: {state['trouble']}" if state["trouble"] else ""
    soon = state["not_after"] - time.time() < CERTIFICATE_SOON
    return [f"  certificate ends {ends}{trouble}"] if soon or trouble else []


def _idle(entry: dict[str, Any]) -> str:
    from lading.cli.words import age

    if not entry.get("stopped"):
        return "serves nothing yet"
    served = f"; {entry['stopped_release']} served until then" if entry.get("stopped_release") else ""
    return f"stopped {age(entry['stopped'])}{served}; bring it up: lading up {entry['name']}"


def _instance(one: dict[str, Any]) -> str:
    from lading.cli.words import age, count

    if one.get("unseen"):
        return f"{one['name']:<12} cannot be seen: asked the container engine, {one['unseen']}"
    if not one["running"]:
        return f"{one['name']:<12} not running, {one.get('ended') or 'exit status ' + str(one['exit_status'])}"
    restarts = f", {count(one['restarts'], 'restart')}" if one["restarts"] else ""
    restarts += f", {one['ended']}" if one.get("ended") else ""
    return f"{one['name']:<12} {one['address'] or 'worker':<22} up since {age(one['started'])}{restarts}"
