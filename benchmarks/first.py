"""How long a newcomer waits: from an application without a manifest to the first ``lading up`` that is green.

Every turn has a fresh home, so an agent that never ran and a build cache with nothing in it; the packages themselves
come from the cache of ``uv`` and from the package registry as the machine has it.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.calm import wait_for_calm
from benchmarks.figures import Figure, at_most, median, told
from benchmarks.house import LADING, House

TURNS = 3
BAR = 60.0  # seconds of machine time
COMMANDS = "lading init && uv pip compile … && git commit … && lading up"

APP = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health():
    return {"status": "up"}


@app.get("/ready")
def ready():
    return {"status": "ready"}


@app.get("/")
def hello():
    return {"hello": "world"}
"""
NEEDS = "fastapi\nuvicorn\n"

Seconds = dict[str, float]


def measure(turns: int = TURNS) -> list[dict[str, Any]]:
    """Go the way from an empty home several times, once before unmeasured, so that packages are at hand."""
    taken = [_turn() for _ in range(turns + 1)][1:]
    return [figure.plain() for figure in figures(taken)]


def figures(taken: list[Seconds]) -> list[Figure]:
    """Return the figures of the turns, each the seconds of its steps by name."""
    n = len(taken)
    whole = median([sum(turn.values()) for turn in taken])
    return [
        at_most("lading init → first green lading up, a fresh home", whole, "s", BAR, COMMANDS, n),
        *(told(f"of it: {step}", median([turn[step] for turn in taken]), "s", step, n) for step in taken[0]),
    ]


def _turn() -> Seconds:
    with House() as house:
        house.project.mkdir()
        (house.project / "main.py").write_text(APP, "utf-8")
        (house.project / "requirements.in").write_text(NEEDS, "utf-8")
        wait_for_calm()
        uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
        pin = ("pip", "compile", "--quiet", "--generate-hashes", "requirements.in", "-o", "requirements.txt")
        return {
            "lading init": _seconds(house, LADING, "init"),
            "uv pip compile": _seconds(house, uv or "uv", *pin),
            "git init, add, commit": _seconds(house, "git", "init", "--quiet")
            + _seconds(house, "git", "add", ".")
            + _seconds(house, "git", *who, "commit", "--quiet", "--message", "first"),
            "lading up": _seconds(house, LADING, "up"),
        }


def _seconds(house: House, *words: str) -> float:
    began = time.monotonic()
    done = subprocess.run(words, cwd=house.project, env=house.environ, capture_output=True, text=True, check=False)
    taken = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return taken
