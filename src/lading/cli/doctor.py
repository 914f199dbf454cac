"""``lading doctor``: what is wrong here, at the project and at its agents, and what mends it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.project import Outline
    from lading.client.address import Address
    from lading.doctor.finding import Finding

WRONG = 1  # exit status when something is wrong
PATIENCE = 10.0  # seconds an agent may take to look at itself
MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}


class Place(NamedTuple):
    """Where was looked, and what was found there."""

    name: str
    findings: tuple[Finding, ...]


@click.command(cls=LadingCommand)
@click.option("--strict", is_flag=True, help="End with exit status 1 for warnings, too.")
@pass_state
@click.pass_context
def doctor(ctx: click.Context, state: State, strict: bool) -> None:
    """Look for what is wrong: here, in the project, and at the agents of its environments; each with its remedy.

    Nothing is started or changed for it. It works also where no agent runs, or one does not answer. The exit status is
    0 when nothing is wrong and 1 when something is; a warning (!) should be known and does not count as wrong.
    """
    ctx.exit(told(state, {place.name: place.findings for place in _look(state)}, strict=strict))


def told(state: State, found: Mapping[str, tuple[Finding, ...]], *, strict: bool = False) -> int:
    """Tell what was found, by place, and return the exit status; ``strict`` counts warnings, too."""
    import msgspec

    places = [Place(name, findings) for name, findings in found.items()]
    findings = [finding for place in places for finding in place.findings]
    for line in _text(places):
        state.say(line)
    wrong = [one for one in findings if one.level == "problem"]
    warned = [one for one in findings if one.level == "warning"]
    state.say(f"\n{_conclusion(len(wrong), len(warned))}")
    rows = [{"where": place.name, **msgspec.to_builtins(one)} for place in places for one in place.findings]
    state.result({"doctor": {"healthy": not wrong, "findings": rows}})
    return WRONG if wrong or (strict and warned) else 0


def _conclusion(wrong: int, warned: int) -> str:
    from lading.cli.words import count

    if not wrong and not warned:
        return "nothing is wrong"
    if not wrong:
        return f"nothing is wrong; {count(warned, 'thing')} to know"
    return f"{count(wrong, 'problem')}, {count(warned, 'warning')}; every finding: docs/doctor.md"


def _text(places: list[Place]) -> Iterator[str]:
    for number, place in enumerate(places):
        yield f"{chr(10) if number else ''}{place.name}"
        for one in place.findings:
            yield f"  {MARKS[one.level]} {one.subject:<20} {one.text}"
            if one.remedy:
                yield f"    {'':<20} → {one.remedy}"


def _look(state: State) -> Iterator[Place]:
    from lading.cli.doctor_project import PROJECT
    from lading.client.address import local_address
    from lading.doctor import tools
    from lading.doctor.registry import examine

    outline, directory = None, _directory(state)
    yield Place("this program", examine((tools.python, tools.git, tools.uv), Path(state.directory)))
    if directory is not None:
        yield Place("the project", examine(PROJECT, directory))
        outline = _outline(state)
    if state.agent is not None:
        hosts: list[str | None] = [state.agent]
    else:
        hosts = list(dict.fromkeys([None, *(outline.hosts.values() if outline is not None else ())]))
    seen = set()
    for host in hosts:
        address = _address(host) if host is not None else local_address()
        if not isinstance(address, LadingError):
            if (address.socket, address.host) in seen:
                continue
            seen.add((address.socket, address.host))
        yield _agent(host, address)


def _directory(state: State) -> Path | None:
    from lading.cli.project import find_manifest

    found = find_manifest(state.directory)
    return found.parent if found is not None else None


def _outline(state: State) -> Outline | None:
    try:
        return state.outline
    except LadingError:
        # What is wrong with the manifest has been found above.
        return None


def _address(host: str) -> Address | LadingError:
    from lading.client.address import parse_address

    try:
        return parse_address(host)
    except LadingError as error:
        return error


def _agent(host: str | None, address: Address | LadingError) -> Place:
    from lading.doctor.finding import found

    if isinstance(address, LadingError):
        return Place(f"agent {host}", (found("not-checked", "agent", address.happened, address.hint),))
    return Place(f"agent {address}", tuple(_of_agent(address)))


def _of_agent(address: Address) -> Iterator[Finding]:
    """Yield what an agent finds; where it does not answer, that, and what can be seen of its home from here."""
    from lading.client.agent import Agent
    from lading.doctor.finding import Finding
    from lading.model import typed

    agent = Agent(address, patience=PATIENCE)
    began = time.time()
    try:
        answer = agent.get("/v1/doctor")
    except LadingError as error:
        yield from _unanswered(address, error)
        return
    yield from _compared(answer, began)
    yield from typed.convert(answer["findings"], tuple[Finding, ...])


def _compared(answer: dict[str, Any], began: float) -> Iterator[Finding]:
    from lading import __version__
    from lading.doctor import clock
    from lading.doctor.finding import found, well

    about = answer["about"]
    if about["version"] == __version__:
        yield well(
            "agent", f"{about['name']}, lading {about['version']}, pid {about['pid']}, isolation: {about['isolation']}"
        )
    else:
        yield found("agent-version", "agent", f"the agent is lading {about['version']}, this is {__version__}")
    took = time.time() - began
    yield from clock.skew(began + took / 2, answer["now"], took)


def _unanswered(address: Address, error: LadingError) -> Iterator[Finding]:
    from lading.client.local import answers
    from lading.doctor.finding import found, well
    from lading.doctor.registry import HOME, examine

    if address.host is not None:
        # Of another machine nothing can be seen from here.
        if error.code == "agent-refused":
            yield found("agent-refused", "agent", error.happened, error.hint)
        else:
            yield found("agent-down", "agent", error.happened, error.hint)
        return
    listens = answers(address)
    used = (address.home / "journal.db").exists()
    if error.code == "agent-refused" and "older than this" in error.happened:
        yield found("agent-version", "agent", "the agent is older than this command and cannot look at itself")
    elif error.code == "agent-refused" or "permission" in error.happened:
        yield found("agent-refused", "agent", error.happened, error.hint)
    elif listens:
        pid = _pid(address)
        remedy = f"read the end of {address.home / 'agent.log'}; then kill -9 {pid or 'PID'}; lading agent start"
        yield found("agent-silent", "agent", error.happened, remedy)
    elif used:
        yield found("agent-down", "agent", error.happened, error.hint)
    else:
        yield well("agent", "none has run here yet; a command that needs it starts it")
    if address.home.exists():
        # From here the same can be seen of a home on this machine.
        yield from examine(HOME, address.home)


def _pid(address: Address) -> int:
    import json

    from lading.model.interface import CARD

    try:
        return int(json.loads((address.home / CARD).read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return 0
