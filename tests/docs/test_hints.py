"""Every next step that an error names is a command that exists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from lading.cli.main import cli

SOURCE = Path(__file__).parents[2] / "src" / "lading"
NAMED = re.compile(r"\blading ([a-z]+)(?: ([a-z]+))?")


def _hints() -> Iterator[tuple[str, str]]:
    """Yield the place and text of every ``hint=`` in the program; what is filled in stands as ``…``."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            for keyword in node.keywords:
                if keyword.arg == "hint":
                    yield f"{path.relative_to(SOURCE)}:{keyword.value.lineno}", _text(keyword.value)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ""


def _exists(noun: str, verb: str | None) -> bool:
    with click.Context(cli) as context:
        command = cli.get_command(context, noun)
        if isinstance(command, click.Group):
            return verb is not None and command.get_command(context, verb) is not None
        return command is not None


def test_every_hint_names_commands_that_exist() -> None:
    """A person at night types what the hint says: it must be there."""
    hints = list(_hints())
    assert len(hints) > 50
    wrong = [
        (place, found.group(0))
        for place, text in hints
        for found in NAMED.finditer(text)
        if not _exists(found.group(1), found.group(2))
    ]
    assert not wrong
