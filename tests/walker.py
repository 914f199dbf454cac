"""Walk a document as its reader does: write its files, make its edits, type its commands, compare what they print.

A block after a line that ends with a file's name in code and a colon is that file, or its end where the line says *add
to*. A sentence *Change `this` to `that` in `file`* is an edit. A block ``console`` holds commands after ``$`` and below
each what it prints; a line ``…`` there stands for any lines.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
REST = "…"  # stands for lines that are left out
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"(add\s+to\s+)?`([\w./-]+)`:\s*$", re.IGNORECASE)
EDIT = re.compile(r"Change `([^`]+)`\s+to\s+`([^`]+)`\s+in\s+`([\w./-]+)`")

# What differs from run to run, and what it is taken for.
VARYING = (
    (r"sha256:[0-9a-f]{4}…", "DIGEST"),
    (r"\b[\w.-]+@[\w.-]+", "WHO"),
    (r"\b(?:signed as|signed by|by) \S+", "SIGNER"),
    (r"at once|\d+ tries", "TRIES"),
    (r"no requests but the prober's|\S+ errors of \d+ requests( · p95 \d+ ms)?", "TRAFFIC"),
    (r"built in \S+ s|unchanged", "BUILT"),
    (r"\d[\d,.:-]*", "0"),
    (r"\b[kKMG]?B\b", "B"),
    (r"0 min 0 s|0 min|0 h", "0 s"),
    (r"\binstances?\b", "instances"),
    (r"\s+", " "),
)


class Written(NamedTuple):
    """A file that the reader writes, whole, or to whose end he adds."""

    name: str
    text: str
    added: bool = False


class Edit(NamedTuple):
    """A change that the reader makes in a file."""

    old: str
    new: str
    name: str


class Command(NamedTuple):
    """A command that the reader types, and the lines it should print."""

    words: str
    printed: tuple[str, ...]


def acts(text: str) -> Iterator[Written | Edit | Command]:
    """Yield what a document tells its reader to do, in order."""
    place = 0
    for block in FENCE.finditer(text):
        before = text[place : block.start()]
        place = block.end()
        yield from (Edit(*found.groups()) for found in EDIT.finditer(before))
        named = FILE.search(before.rstrip())
        if block[1] == "console":
            yield from _commands(block[2])
        elif named:
            yield Written(named[2], block[2], added=bool(named[1]))


def walk(text: str, project: Path, environment: dict[str, str]) -> list[str]:
    """Do all that a document tells and return the commands that were typed; raise AssertionError at the first slip."""
    typed = []
    for act in acts(text):
        if isinstance(act, Command):
            _type(act, project, environment)
            typed.append(act.words)
        elif isinstance(act, Written):
            file = project / act.name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text((file.read_text() if act.added else "") + act.text)
        else:
            file = project / act.name
            assert act.old in file.read_text(), f"{act.name} does not hold {act.old}"
            file.write_text(file.read_text().replace(act.old, act.new))
    return typed


def section(text: str, heading: str) -> str:
    """Return what stands below a heading of the second level, up to the next one."""
    found = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert found, f"no heading {heading}"
    return found


@contextmanager
def reader(home: Path) -> Iterator[dict[str, str]]:
    """Give the variables of a reader with a home of his own and the command on the path; stop what he started."""
    programs = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LADING_", "GIT_", "VIRTUAL_"))},
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LADING_HOME": str(home / "lading"),
        **{f"GIT_{who}_{what}": "walker@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    try:
        yield environment
    finally:
        subprocess.run(["lading", "agent", "stop", "--everything"], env=environment, check=False, capture_output=True)


def _commands(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        words, _, printed = part.partition("\n")
        while words.endswith("\\"):
            more, _, printed = printed.partition("\n")
            words = f"{words}\n{more}"
        yield Command(words, tuple(printed.splitlines()))


def _type(command: Command, project: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", f"({command.words}) 2>&1"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert follows(done.stdout.splitlines(), list(command.printed)), f"$ {command.words}\n{done.stdout}"


def follows(printed: list[str], expected: list[str]) -> bool:
    """Tell whether lines are as expected; a line … stands for any lines."""
    if not expected:
        return not printed
    if expected[0] == REST:
        return any(follows(printed[skipped:], expected[1:]) for skipped in range(len(printed) + 1))
    return bool(printed) and shape(printed[0]) == shape(expected[0]) and follows(printed[1:], expected[1:])


def shape(line: str) -> str:
    """Return a line without what differs from run to run."""
    for pattern, stands_for in VARYING:
        line = re.sub(pattern, stands_for, line)
    return line.strip()
