"""The README's ten minutes, walked by a machine: its files, its edits, its commands, and what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

README = Path(__file__).parents[2] / "README.md"
WALK = "## Ten minutes to your own project"
REST = "…"  # stands for lines that are left out
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`([\w.]+)`:\s*$")
EDIT = re.compile(r"Change `(.+?)` to `(.+?)` in `([\w.]+)`")

# What differs from run to run, and what it is taken for.
VARYING = (
    (r"sha256:[0-9a-f]{4}…", "DIGEST"),
    (r"\b(?:signed as|signed by|by) \S+", "SIGNER"),
    (r"at once|\d+ tries", "TRIES"),
    (r"built in \S+ s|unchanged", "BUILT"),
    (r"\d[\d,.:-]*", "0"),
    (r"\b[kKMG]?B\b", "B"),
    (r"0 min 0 s|0 min|0 h", "0 s"),
    (r"\binstances?\b", "instances"),
    (r"\s+", " "),
)


class Command:
    """One command of the walk and the lines it should print."""

    def __init__(self, words: str, printed: list[str]) -> None:
        self.words = words
        self.printed = printed


def _walk() -> Iterator[Command | tuple[str, str] | tuple[str, str, str]]:
    """Yield the walk's files (name, text), edits (old, new, name) and commands, in order."""
    text = README.read_text().partition(WALK)[2].partition("\n## ")[0]
    place = 0
    for block in FENCE.finditer(text):
        before = text[place : block.start()]
        place = block.end()
        for edit in EDIT.finditer(before):
            yield edit[1], edit[2], edit[3]
        named = FILE.search(before.rstrip())
        if block[1] == "console":
            yield from _commands(block[2])
        elif named or block[1] == "toml":
            yield (named or [None, "lading.toml"])[1] or "", block[2]


def _commands(block: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        words, _, printed = part.partition("\n")
        yield Command(words, printed.splitlines())


def _shape(line: str) -> str:
    for pattern, stands_for in VARYING:
        line = re.sub(pattern, stands_for, line)
    return line.strip()


def _follows(printed: list[str], expected: list[str]) -> bool:
    """Tell whether lines are as expected; a line … stands for any lines."""
    if not expected:
        return not printed
    if expected[0] == REST:
        return any(_follows(printed[skipped:], expected[1:]) for skipped in range(len(printed) + 1))
    return bool(printed) and _shape(printed[0]) == _shape(expected[0]) and _follows(printed[1:], expected[1:])


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A home of its own for agent and git, and the command on the path."""
    programs = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LADING_", "GIT_"))},
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LADING_HOME": str(tmp_path / "lading"),
        **{f"GIT_{who}_{what}": "walker@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    yield environment
    subprocess.run(["lading", "agent", "stop", "--everything"], env=environment, check=False, capture_output=True)


def test_the_ten_minutes_work_as_written(tmp_path: Path, environment: dict[str, str]) -> None:
    """Every file, edit and command of the README works in its order and prints what the README shows."""
    project = tmp_path / "hello"
    project.mkdir()
    followed = 0
    for act in _walk():
        if isinstance(act, Command):
            done = subprocess.run(
                ["bash", "-c", f"({act.words}) 2>&1"],
                cwd=project,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
            assert _follows(done.stdout.splitlines(), act.printed), f"$ {act.words}\n{done.stdout}"
            followed += 1
        elif len(act) == 2:
            (project / act[0]).write_text(act[1])
        else:
            file = project / act[2]
            assert act[0] in file.read_text()
            file.write_text(file.read_text().replace(act[0], act[1]))
    assert followed > 15
