"""What a shell may complete an argument with: names from the manifest, versions that git or an agent knows.

Whoever presses the tab key must not wait and must not be talked to: answers are bounded in time, no agent is started,
and what cannot be found out is left out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from lading.cli.state import State

if TYPE_CHECKING:
    from lading.cli.project import Outline

WITHIN = 0.8  # seconds for all that is asked
PATIENCE = 0.5  # seconds for one answer of an agent, or of git
MOST = 30  # versions that are offered

Found = list[CompletionItem]
Completer = Callable[[click.Context, click.Parameter, str], Found]


def _completer(find: Callable[[click.Context, State], Iterator[tuple[str, str]]]) -> Completer:
    def complete(ctx: click.Context, _parameter: click.Parameter, begun: str) -> Found:
        found: dict[str, str] = {}

        def look() -> None:
            try:
                for name, about in find(ctx, ctx.find_object(State) or State()):
                    found.setdefault(name, about)
            except Exception:  # noqa: BLE001, S110 - a tab key gets no error: what was found before stands
                pass

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(WITHIN)
        return [
            CompletionItem(name, help=about or None) for name, about in dict(found).items() if name.startswith(begun)
        ]

    return complete


def _environments(ctx: click.Context, state: State) -> Iterator[tuple[str, str]]:
    # An environment that stands on the command line already is not the other one.
    taken = {value for value in ctx.params.values() if isinstance(value, str)}
    for name, host in state.outline.hosts.items():
        if name not in taken:
            yield name, host or ""


def _versions(_ctx: click.Context, state: State) -> Iterator[tuple[str, str]]:
    from lading.client.address import parse_address
    from lading.client.agent import Agent

    outline = state.outline
    address = parse_address(state.agent)
    for number, tag in enumerate(_tags(outline)):
        if number < MOST:
            yield tag, "a tag"
    for release in Agent(address, patience=PATIENCE).get("/v1/releases", project=outline.name)["releases"][:MOST]:
        yield release["version"], "a release"


def _tags(outline: Outline) -> list[str]:
    import subprocess

    command = ["git", "tag", "--list", "--sort=-version:refname"]
    done = subprocess.run(
        command, cwd=outline.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE
    )
    return done.stdout.split()


def _table(path: Path, name: str) -> dict[str, Any]:
    import tomllib

    found: dict[str, Any] = tomllib.loads(path.read_text()).get(name, {})
    return found


def _services(_ctx: click.Context, state: State) -> Iterator[tuple[str, str]]:
    for name in _table(state.outline.path, "services"):
        yield name, ""


def _secrets(ctx: click.Context, state: State) -> Iterator[tuple[str, str]]:
    if "environment" in ctx.params:
        for name in _table(state.outline.path, "secrets").get("required", ()):
            yield name, ""


def _jobs(_ctx: click.Context, state: State) -> Iterator[tuple[str, str]]:
    for name, table in _table(state.outline.path, "jobs").items():
        yield name, str(table.get("command", "")) if isinstance(table, dict) else ""


def _sizes(_ctx: click.Context, state: State) -> Iterator[tuple[str, str]]:
    yield from ((name, "") for name in _table(state.outline.path, "sizes"))


def _codes(_ctx: click.Context, _state: State) -> Iterator[tuple[str, str]]:
    from lading.model.errors import CODES

    for name, row in CODES.items():
        yield name, row.meaning


_ENVIRONMENT, _VERSION = _completer(_environments), _completer(_versions)
COMPLETERS: dict[str, Completer] = {
    "environment": _ENVIRONMENT,
    "environments": _ENVIRONMENT,
    "source": _ENVIRONMENT,
    "target": _ENVIRONMENT,
    "other": _ENVIRONMENT,
    "first": _ENVIRONMENT,
    "second": _ENVIRONMENT,
    "what": _ENVIRONMENT,
    "on": _ENVIRONMENT,
    "version": _VERSION,
    "to": _VERSION,
    "since": _VERSION,
    "until": _VERSION,
    "service": _completer(_services),
    "job": _completer(_jobs),
    "size": _completer(_sizes),
    "name": _completer(_secrets),
    "names": _completer(_secrets),
    "code": _completer(_codes),
}
