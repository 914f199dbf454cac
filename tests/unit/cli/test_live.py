"""The story on a terminal: finished lines, and one that shows what is waited for."""

import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support_agent import MemoryAgent
from tests.unit.cli.conftest import Run

ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?3[0-9]m")


def _on_a_terminal(project: Path, **environment: str) -> tuple[int, bytes]:
    """Deploy on a terminal of 90 columns and return the exit status and everything that was drawn."""
    master, slave = os.openpty()
    drawn = b""
    process = subprocess.Popen(
        [sys.executable, "-m", "lading.cli.main", "deploy", "stage"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=project,
        env={**os.environ, "COLUMNS": "90", "TERM": "xterm-256color", **environment},
    )
    os.close(slave)
    with open(master, "rb", buffering=0) as terminal:
        while chunk := _read(terminal):
            drawn += chunk
    return process.wait(), drawn


def _read(terminal: Any) -> bytes:
    try:
        return bytes(terminal.read(4096))
    except OSError:
        return b""  # the last writer closed the terminal


def _slow_ready(agent: MemoryAgent) -> None:
    probe = agent.world.checks.probe

    def waiting(address: str, asked: Any) -> Any:
        threading.Event().wait(0.2)
        return probe(address, asked)

    agent.world.checks.probe = waiting  # type: ignore[method-assign]


def test_a_terminal_shows_what_is_waited_for(project: Path, run: Run, agent: MemoryAgent) -> None:
    """Finished steps stay as lines; the waiting one turns, with its time at the right edge."""
    _slow_ready(agent)
    status, drawn = _on_a_terminal(project)
    text = ESCAPE.sub(b"", drawn).decode()
    assert status == 0
    assert "✓ cutover" in text
    assert re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ready .* 0:00", text)
    assert "stage serves v1.0.0" in text
    assert COLOUR.search(drawn)
    assert max(len(line) for line in re.split(r"[\r\n]", text)) <= 90


@pytest.mark.parametrize("value", ["1", "yes"])
def test_no_color_is_respected(project: Path, run: Run, value: str) -> None:
    """With NO_COLOR set, a terminal gets no colours."""
    status, drawn = _on_a_terminal(project, NO_COLOR=value)
    assert status == 0
    assert not COLOUR.search(drawn)
