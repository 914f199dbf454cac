"""``lading bill``, ``attest`` and ``revoke``: a release's signed statements, and gates of one's own."""

from __future__ import annotations

import shlex
import subprocess
import time
from typing import Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.agent import Agent
from lading.model.errors import LadingError

STDERR = 2  # file descriptor
FACTS = (
    "checks",
    "lost_requests",
    "held_seconds",
    "gap_seconds",
    "turned_away",
    "exit",
    "seconds",
    "reason",
)  # facts of a statement that the list shows
NOT_FOUND = 127  # the exit status shells give a command that is not there


@click.command(cls=LadingCommand)
@click.argument("version")
@click.option("--on", metavar="ENVIRONMENT", help="Ask the agent of ENVIRONMENT instead of one's own.")
@pass_state
def bill(state: State, version: str, on: str | None) -> None:
    """Show the bill of release VERSION: who found what about it, where and when."""
    from lading.cli.words import count, short

    agent = state.agent_on(on)
    release = _release(agent, state.outline.name, version)
    entries = agent.get(f"/v1/bills/{release['digest']}")["statements"]
    state.say(f"{release['project']} {version}  {short(release['digest'])}  {count(len(entries), 'statement')}")
    for line in _table(entries):
        state.say(f"  {line}")
    state.result({"bill": {"version": version, "digest": release["digest"], "statements": entries}})


def _table(entries: list[dict[str, Any]]) -> list[str]:
    from lading.cli.words import table

    return table([_row(entry) for entry in entries])


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    from lading.cli.words import age, count

    told = entry["statement"]
    if told is None:
        return ("✗", "unreadable", entry["problem"], "", "")
    mark = "✓" if told["passed"] and entry["trusted"] else "✗"
    name = "/".join(part for part in (told["environment"], told["gate"]) if part)
    note = "" if entry["trusted"] else f"does not count: {entry['problem']}"
    facts = told.get("facts") or {}
    known = [f"{key.replace('_', ' ')} {facts[key]}" for key in FACTS if key in facts]
    met = [f"{count(len(facts['jobs']), 'run')} of jobs met"] if facts.get("jobs") else []
    shown = ", ".join([*known, *met])
    return (
        mark,
        name,
        f"by {entry['signer'] or 'an unknown key'}",
        age(told["time"]),
        "  ".join(part for part in (shown, note) if part),
    )


def _release(agent: Agent, project: str, version: str) -> dict[str, Any]:
    from lading.client.transfer import release_path

    release: dict[str, Any] = agent.get(release_path(project, version))
    return release


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("version")
@click.option("--reason", required=True, help="Why, for the bill and the audit.")
@click.option("--undo", is_flag=True, help="Lift an earlier revocation.")
@pass_state
def revoke(state: State, environment: str, version: str, reason: str, undo: bool) -> None:
    """Take back what the agent of ENVIRONMENT said of release VERSION: what passed there counts no more."""
    told = {
        "project": state.outline.name,
        "version": version,
        "environment": environment,
        "reason": reason,
        "undo": undo,
    }
    state.agent_for(environment).post("/v1/revocations", told)
    counts = "is no longer revoked by" if undo else "is refused from now on wherever one believes"
    state.say(f"{version} {counts} the agent of {environment}")
    state.result({"revocation": told})


@click.command(cls=LadingCommand, context_settings={"ignore_unknown_options": True})
@click.argument("gate")
@click.option("--version", "version", metavar="V", help="The release it is about; that of HEAD unless given.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@pass_state
@click.pass_context
def attest(ctx: click.Context, state: State, gate: str, version: str | None, command: tuple[str, ...]) -> None:
    """Run a COMMAND and record how it ended as GATE in the release's bill.

    lading attest tests -- pytest: the statement says whether the command ended with 0, how long it took, and about
    which digest; one's own agent signs it. Without --version, the release of the clean HEAD must exist. The exit status
    is the command's own.
    """
    agent = state.own_agent()
    release = _of_head(state, agent) if version is None else _release(agent, state.outline.name, version)
    exit_status, took = _run(state, command)
    told = {
        "project": release["project"],
        "version": release["version"],
        "gate": gate,
        "command": shlex.join(command),
        "exit": exit_status,
        "seconds": round(took, 3),
    }
    agent.post("/v1/attestations", told)
    outcome = "passed" if exit_status == 0 else f"failed with exit status {exit_status}"
    state.note(f"{gate} {outcome} on {release['version']}; recorded in its bill")
    state.result({"attestation": {**told, "digest": release["digest"], "passed": exit_status == 0}})
    ctx.exit(exit_status)


def _of_head(state: State, agent: Agent) -> dict[str, Any]:
    from lading.cli.source import head, require_clean
    from lading.client.transfer import find_release

    outline = state.outline
    commit = head(outline.directory)
    require_clean(outline.directory, outline.path.name)
    release = find_release(agent, outline.name, commit.version)
    if release is None or release["commit"] != commit.commit:
        raise LadingError(
            "unknown-release",
            doing="attesting a gate of HEAD's release",
            happened=f"{commit.version} ({commit.commit[:7]}) has not been built",
            now="the command was not run",
            hint=f"lading release {commit.version}, or name a release: --version V",
        )
    return release


def _run(state: State, command: tuple[str, ...]) -> tuple[int, float]:
    began = time.monotonic()
    try:
        # In JSON mode stdout is Lading's own, so the command's output goes beside it.
        done = subprocess.run(command, stdout=STDERR if state.json else None, check=False)
    except (FileNotFoundError, PermissionError) as error:
        state.note(f"{command[0]}: {error.strerror}")
        return NOT_FOUND, time.monotonic() - began
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return status, time.monotonic() - began
