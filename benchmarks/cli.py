"""What the command line costs before it does anything: whole processes, in turns with a Python that does nothing."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.calm import wait_for_calm
from benchmarks.figures import Figure, at_most, median, told
from benchmarks.house import LADING, House, cashback

ENVIRONMENT = "bench"
NOTHING = [sys.executable, "-c", "pass"]
VERSION = [LADING, "--version"]
STATUS = [LADING, "status"]
TURNS = 20


def measure(turns: int = TURNS) -> list[dict[str, Any]]:
    """Time the three commands in turns, beside an agent that serves an environment."""
    with House() as house:
        cashback(house, "v1.0.0")
        house.add_environment(ENVIRONMENT, watch="0s")
        house.give_secrets(ENVIRONMENT)
        house.rollout("deploy", ENVIRONMENT, "v1.0.0")
        times = in_turns([NOTHING, VERSION, STATUS], turns, house.environ, house.project)
    return [figure.plain() for figure in figures(*times)]


def figures(nothing: list[float], version: list[float], status: list[float]) -> list[Figure]:
    """Return the figures of the times."""
    floor, n = median(nothing), len(nothing)
    return [
        told("python -c pass", floor * 1000, "ms", "python -c pass", n),
        at_most("lading --version ÷ python -c pass", median(version) / floor, "", 5, "lading --version", n),
        at_most("lading status ÷ python -c pass", median(status) / floor, "", 12, "lading status", n),
    ]


def in_turns(commands: Sequence[list[str]], turns: int, environ: Mapping[str, str], place: Path) -> list[list[float]]:
    """Run the commands one after the other, ``turns`` times (and once before, unmeasured); return seconds of each."""
    times: list[list[float]] = [[] for _ in commands]
    before = Path.cwd()
    os.chdir(place)
    try:
        for turn in range(turns + 1):
            wait_for_calm()
            for command, taken in zip(commands, times, strict=True):
                seconds = _seconds(command, environ)
                if turn:
                    taken.append(seconds)
    finally:
        os.chdir(before)
    return times


def _seconds(command: list[str], environ: Mapping[str, str]) -> float:
    # Spawned directly: what the subprocess module adds would be counted to all alike and flatter the ratio.
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    _, status = os.waitpid(os.posix_spawn(command[0], command, environ, file_actions=quiet), 0)
    seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds
