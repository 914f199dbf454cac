"""``lading secrets edit``: an environment's secrets as a text that a person changes."""

from __future__ import annotations

import sys
from typing import NamedTuple

import click

from lading.cli.private_file import edit_file, private_file
from lading.cli.secrets_store import path_of, warn_of_placeholders
from lading.cli.state import State
from lading.model.errors import LadingError
from lading.model.secret import MASK

TROUBLE = "#! "  # begins a line that says what was wrong with the text; such lines are taken out before it is read

HEAD = f"""\
# Secrets of {{environment}} of {{project}}: one NAME=value a line, as in a .env file.
# {MASK} stands for a stored value: leave it and it stays, write over it and it changes.
# Take a line out and its secret is removed. Close the file as it is and nothing happens.
"""


class Changes(NamedTuple):
    """What a text changes: values by name, the names that are gone, and how many stay."""

    values: dict[str, str]
    removed: tuple[str, ...]
    kept: int


def edit_secrets(state: State, environment: str, *, sure: bool) -> None:
    """Let a person edit the secrets of an environment, and store what they changed once they agree."""
    if not sure and not sys.stdin.isatty():
        raise _unread(environment, "standard input is no terminal, so nobody could agree", "add --yes to store at once")
    agent = state.agent_for(environment)
    found = agent.get(path_of(state, environment))
    versions: dict[str, int] = found["secrets"]
    needs = {
        **dict.fromkeys(_of_manifest(state, environment), "required"),
        **{one["name"]: one["need"] for one in found["entries"]},
    }
    changes = _edited(state, environment, versions, needs)
    if not changes.values and not changes.removed:
        state.say(f"nothing was changed: {environment} keeps its secrets")
        state.result({"secrets": versions})
        return
    warn_of_placeholders(state, environment, changes.values)
    for line in _summary(changes, versions, needs):
        state.say(line)
    if not sure and not click.confirm(f"Store this for {environment}?", err=True):
        raise _unread(environment, "you did not agree", f"lading secrets edit {environment}")
    change = {"values": changes.values, "remove": list(changes.removed), "known": versions}
    agent.put(path_of(state, environment), change)
    state.say(f"stored; it goes with the next rollout, such as: lading deploy {environment}")
    state.result({"secrets": agent.get(path_of(state, environment))["secrets"]})


def _of_manifest(state: State, environment: str) -> tuple[str, ...]:
    from lading.cli.project import read

    manifest = read(state.outline.path)
    table = manifest.environments.get(environment)
    return (*manifest.secrets.required, *(table.needed_secrets if table is not None else ()))


def _edited(state: State, environment: str, versions: dict[str, int], needs: dict[str, str]) -> Changes:
    text = text_of(state.outline.name, environment, versions, needs)
    with private_file(f"{environment}.env") as path:
        while True:
            path.write_text(text)
            before, text = text, edit_file(path, f"editing secrets of {environment}")
            try:
                return changes_of(text, environment, versions)
            except LadingError as error:
                # It was shown what is wrong and left so: whoever edits gives up. And a program is not asked twice.
                if text == before or not sys.stdin.isatty():
                    raise
                state.note(str(error))
                if not click.confirm("Edit again?", default=True, err=True):
                    raise
                text = with_troubles(text, error)


def text_of(project: str, environment: str, versions: dict[str, int], needs: dict[str, str]) -> str:
    """Return the text to edit: first what is required and missing, then what is stored."""
    lines = [HEAD.format(environment=environment, project=project)]
    missing = [name for name, need in sorted(needs.items()) if need == "required" and name not in versions]
    if missing:
        lines += ["# required, and not set yet:", *(f"{name}=" for name in missing), ""]
    optional = [name for name, need in sorted(needs.items()) if need == "optional" and name not in versions]
    if optional:
        lines += ["# optional, and not set:", *(f"# {name}=" for name in optional), ""]
    lines += [f"{name}={MASK}" for name in sorted(versions)]
    return "\n".join(lines) + "\n"


def changes_of(text: str, environment: str, versions: dict[str, int]) -> Changes:
    """Read an edited text; raise ``usage`` with every mistake and its line, never a value."""
    from lading.secrets.dotenv import parse

    plain = without_troubles(text)
    source = f"{environment}.env"
    found = {name: value.reveal() for name, value in parse(plain, source).items()}
    wrong = [name for name, value in found.items() if MASK in value and not (value == MASK and name in versions)]
    if wrong:
        raise LadingError(
            "usage",
            doing=f"reading {source}",
            happened=f"{', '.join(wrong)}: the dots stand for a stored value, and here none is",
            details=tuple(f"{source}:{_line_of(plain, name)}  {name} needs a whole new value" for name in wrong),
            now="nothing was stored",
            hint="write the value instead of the dots",
        )
    values = {name: value for name, value in found.items() if value and value != MASK}
    kept = [name for name, value in found.items() if value == MASK]
    removed = tuple(name for name in sorted(versions) if not found.get(name))
    return Changes(values, removed, len(kept))


def _line_of(text: str, name: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.lstrip().startswith(name)), 0)


def without_troubles(text: str) -> str:
    """Take out the lines that say what was wrong, so that places are those of the person's own text."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(TROUBLE))


def with_troubles(text: str, error: LadingError) -> str:
    """Return the text with what is wrong with it on top, each place as it will then be found."""
    plain = without_troubles(text)
    told = [error.happened, *error.details, "close the file unchanged to give up"]
    lines = [TROUBLE + _moved(line, by=len(told)) for line in told]
    return "\n".join(lines) + "\n" + plain


def _moved(line: str, by: int) -> str:
    place, _, rest = line.partition("  ")
    file, _, number = place.rpartition(":")
    return f"{file}:{int(number) + by}  {rest}" if number.isdecimal() else line


def _summary(changes: Changes, versions: dict[str, int], needs: dict[str, str]) -> list[str]:
    lines = []
    for name in sorted(changes.values):
        version = versions.get(name)
        lines.append(f"  ~ {name}  version {version} → new" if version else f"  + {name}")
    for name in changes.removed:
        needed = "  (required by what serves: a deploy will be refused)" if needs.get(name) == "required" else ""
        lines.append(f"  - {name}{needed}")
    return [*lines, f"  {changes.kept} unchanged"]


def _unread(environment: str, happened: str, hint: str) -> LadingError:
    return LadingError(
        "usage", doing=f"editing secrets of {environment}", happened=happened, now="nothing was stored", hint=hint
    )
