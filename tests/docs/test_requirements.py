"""docs/requirements.md says of every requirement how it stands, and names commands and tests that are there."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from lading.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "requirements.md"
IDS = [
    f"{source}{number}"
    for source, count in (("RC", 13), ("CB", 12), ("FE", 12), ("VF", 11), ("MA", 25))
    for number in range(1, count + 1)
]
CODE = re.compile(r"`([^`]+)`")


class Line(NamedTuple):
    """One requirement of the page."""

    id: str
    state: str
    commands: list[str]
    tests: list[str]


def _lines() -> list[Line]:
    lines = []
    for row in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in row.strip().strip("|").split(" | ")]
        if re.fullmatch(r"[A-Z]{2}\d+", cells[0]):
            cells += [""] * (5 - len(cells))
            lines.append(Line(cells[0], cells[2], CODE.findall(cells[3]), CODE.findall(cells[4])))
    return lines


LINES = _lines()


def test_every_requirement_stands_there_once() -> None:
    """No requirement is forgotten, none is invented, none is said twice."""
    assert [line.id for line in LINES] == IDS


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.id)
def test_a_line_says_what_is_true(line: Line) -> None:
    """A line is done, partly or open. Unless it is open it names commands and tests, all of which exist."""
    state = re.split(r"[:,]", line.state)[0]
    assert state in ("done", "partly", "open")
    if state == "open":
        assert not line.commands
        assert not line.tests
        return
    assert line.commands
    assert line.tests
    assert state == "done" or ":" in line.state, "what is missing has to be said"
    assert [command for command in line.commands if not _is_command(command)] == []
    assert [test for test in line.tests if not _is_test(test)] == []


def _is_command(words: str) -> bool:
    program, noun, *rest = words.split()
    with click.Context(cli) as context:
        command = cli.get_command(context, noun) if program == "lading" else None
        if isinstance(command, click.Group):
            return bool(rest) and command.get_command(context, rest[0]) is not None
        return command is not None


def _is_test(name: str) -> bool:
    path, _, function = name.partition("::")
    file = ROOT / path
    if not path.startswith("tests/") or not file.is_file():
        return False
    defined = {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
    return not function or function in defined
