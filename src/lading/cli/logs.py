"""``lading logs``: what the instances of an environment wrote."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, echo_json, pass_state
from lading.client.agent import Agent
from lading.model.errors import LadingError

LOOK_EVERY = 0.5  # seconds between two questions for new lines
WINDOW = 2000  # lines of an instance that are asked for: what is written between two questions must fit


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("service", required=False)
@click.option("--rollout", type=int, metavar="N", help="The instances of rollout N, removed ones too.")
@click.option(
    "--lines", default=100, show_default=True, type=click.IntRange(0), help="How many lines of each instance."
)
@click.option("--egress", is_flag=True, help="What they tried to reach and may not, instead of what they wrote.")
@click.option("--follow", "-f", is_flag=True, help="Go on showing what they write, until Ctrl-C.")
@pass_state
@click.pass_context
def logs(
    ctx: click.Context,
    state: State,
    environment: str,
    service: str | None,
    rollout: int | None,
    lines: int,
    egress: bool,
    follow: bool,
) -> None:
    """Show the last lines that the instances of ENVIRONMENT (of SERVICE only, if given) wrote.

    SERVICE may name one instance: web/2. Known secret values are masked. With --follow new lines come as they are
    written, also of the instances of a later rollout; with --json each is one object then. With --egress: the attempts
    of programs whose egress is restricted to reach something else, jobs included.
    """
    from lading.cli.main import INTERRUPTED
    from lading.client.agent import segment

    agent = state.agent_for(environment)
    path = f"/v1/logs/{segment(state.outline.name)}/{segment(environment)}"
    if egress:
        _denied(state, agent, path, environment, service, rollout, lines, follow=follow)
        return
    if follow:
        try:
            _follow(state, agent, path, service, rollout, lines)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
    found = _read(agent, path, service, rollout, max(lines, 1))
    for entry in found:
        for line in entry["lines"][-lines:] if lines else ():
            state.say(f"{entry['instance']} | {line}")
        if not entry["lines"]:
            state.say(f"{entry['instance']} | (nothing written)")
    if not found:
        state.say(f"{environment} has no such instance; lading status shows those it has")
    state.result({"logs": found})


def _denied(
    state: State,
    agent: Agent,
    path: str,
    environment: str,
    service: str | None,
    rollout: int | None,
    lines: int,
    *,
    follow: bool,
) -> None:
    """Show what was refused; of one service or instance only, if it is named."""
    if follow or rollout:
        raise click.UsageError("--egress goes with neither --follow nor --rollout")
    found: list[str] = agent.get(f"{path}/egress", lines=max(lines, 1))["denied"]
    # A line is: time, two spaces, who, two spaces, what.
    shown = [line for line in found if service is None or line[22:].startswith((f"{service} ", f"{service}/"))]
    for line in shown:
        state.say(line)
    if not shown:
        state.say(f"nothing was refused in {environment}, or nothing is restricted there")
    state.result({"denied": shown})


def _read(agent: Agent, path: str, service: str | None, rollout: int | None, lines: int) -> list[dict[str, Any]]:
    name, slash, _ = (service or "").partition("/")
    found: list[dict[str, Any]] = agent.get(path, service=name or None, rollout=rollout, lines=lines)["logs"]
    return [entry for entry in found if not slash or entry["instance"] == service]


def _follow(state: State, agent: Agent, path: str, service: str | None, rollout: int | None, lines: int) -> None:
    """Show new lines until somebody interrupts it; an agent that is away for a while is asked again."""
    seen: dict[str, Sequence[str]] = {}
    first, away = True, False
    while True:
        try:
            found = _read(agent, path, service, rollout, WINDOW)
            away = False
        except LadingError as error:
            if error.code != "agent-unreachable" or first:
                raise
            if not away:
                state.note(f"! {error.doing}: {error.happened}; asking again")
            found, away = [], True
        for entry in found:
            written = entry["lines"]
            # Of instances that were there at first, the last lines only; of later ones everything.
            begun = written[max(0, len(written) - lines) :] if first else written
            for line in added(seen[entry["name"]], written) if entry["name"] in seen else begun:
                _tell(state, entry["instance"], line)
            seen[entry["name"]] = written
        first = False
        time.sleep(LOOK_EVERY)


def _tell(state: State, instance: str, line: str) -> None:
    if state.json:
        echo_json({"log": {"instance": instance, "line": line}})
    else:
        state.say(f"{instance} | {line}")


def added(before: Sequence[str], now: Sequence[str]) -> Sequence[str]:
    """Return the lines that were added between two looks at the end of the same log.

    Both are its last lines, the window that is looked through being of one length: what was seen before has moved up.
    """
    for moved in range(len(before) + 1):
        kept = before[moved:]
        if list(now[: len(kept)]) == list(kept):
            return now[len(kept) :]
    return now
