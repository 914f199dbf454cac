"""What docs/json.md promises to scripts is what the program answers: every command, every key."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest

from lading.agent.answers import (
    About,
    EnvironmentView,
    InstanceView,
    JobView,
    PolicyAnswer,
    RolloutView,
    RunningRollout,
    RunView,
    SecretEntry,
    StepView,
    TakenDown,
)
from lading.agent.answers.bills import StatementView
from lading.agent.answers.environments import CanaryView
from lading.cli.main import cli
from lading.doctor.finding import Finding
from lading.model.bill import Policy, TrustedKey
from lading.model.certificates import CertificateState
from lading.model.environment import Maintenance
from lading.model.rollout import Event
from lading.ports.stacks import StackState

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "json.md").read_text()

# What the program answers, and from where on the page says which keys that has: up to the end of the line.
LISTED = [
    (InstanceView, "| `instances` | a list of "),
    (RunningRollout, "| `rollout` | null, or the one under way: "),
    (CanaryView, "| `canary` | "),
    (Maintenance, "| `maintenance` | "),
    (CertificateState, "| `certificate` | "),
    (JobView, "| `jobs` | a list of "),
    (StepView, "| `steps` | a list of "),
    (TakenDown, "`down` prints "),
    (RunView, "| `runs` | "),
    (SecretEntry, "| `secrets list`, `remove` | "),
    (Finding, "| `doctor` | "),
    (StatementView, "| `bill` | "),
    (TrustedKey, "A key is "),
    (About, "| `agent start`, `status` | "),
    (PolicyAnswer, "| `policy show`, `set`, `allow` | "),
    (Policy, "| `policy show`, `set`, `allow` | "),
    (StackState, "| `stack up`, `down` | "),
]

# What the program answers as a table of its own, under which heading.
TABLES = [
    (RolloutView, "## `deploy`, `promote`, `rollback`, `cancel`, `follow`"),
    (EnvironmentView, "## `status`"),
    (Event, "## Events of a rollout"),
]

# Commands that answer nothing: the daemon itself, in the foreground.
SILENT = {("agent", "run")}


def keys(kind: type[msgspec.Struct]) -> set[str]:
    """Return the names under which a value's fields are encoded."""
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def named(text: str) -> set[str]:
    """Return the words that stand in a text as keys: in quotes, or as code."""
    return set(re.findall(r'["`]([a-z_]+)["`]', text))


@pytest.mark.parametrize(("kind", "mark"), LISTED, ids=lambda value: getattr(value, "__name__", ""))
def test_every_key_of_an_answer_is_listed(kind: type[msgspec.Struct], mark: str) -> None:
    """A key that an answer got is on the page, where the page lists that answer's keys."""
    assert PAGE.count(mark) == 1
    assert keys(kind) - named(PAGE.partition(mark)[2].partition("\n")[0]) == set()


@pytest.mark.parametrize(("kind", "heading"), TABLES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_key_of_an_answer_has_its_row(kind: type[msgspec.Struct], heading: str) -> None:
    """The same for answers that have a table: the first column names each key, and none that is not there."""
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    rows = {key for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for key in named(row)}
    assert rows - {"error"} == keys(kind)


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the group's and the own name of every command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from commands(found, name)
        else:
            yield path, name


def test_every_command_has_its_place() -> None:
    """Each command stands in a heading or in the first column, those of a group in a cell that names the group."""
    places = re.findall(r"^(?:## (`.*)|\| (`.*?) \|)", PAGE, re.MULTILINE)
    cells = [set(re.findall(r"`([a-z ]+)`", heading or cell)) for heading, cell in places]
    told = {word for cell in cells for word in cell}
    of_groups = {
        (group, name)
        for cell in cells
        for group in {word.split()[0] for word in cell if " " in word}
        for name in {word.split()[-1] for word in cell}
    }
    missing = [
        (group, name)
        for group, name in commands(cli)
        if (group, name) not in of_groups | SILENT and (group or name not in told)
    ]
    assert missing == []


def literals() -> Iterator[tuple[str, str]]:
    """Yield module and key of every result that the command line puts together itself."""
    for path in sorted((ROOT / "src" / "lading" / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "result":
                for argument in (found for given in node.args for found in ast.walk(given)):
                    if isinstance(argument, ast.Dict):
                        yield from ((path.stem, key.value) for key in argument.keys if isinstance(key, ast.Constant))


def test_every_key_that_the_command_line_gives_is_told() -> None:
    """A key of a result that a command puts together is on the page."""
    found = set(literals())
    assert len(found) > 50
    told = named(PAGE)
    assert sorted((module, key) for module, key in found if key not in told) == []
