"""Whether ``lading check`` answers every broken manifest as it should, and what the largest ones cost."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import ROOT, Figure, at_least, at_most, median, told
from benchmarks.house import LADING
from tests.unit.manifest.corpus import corpus, expected
from tests.unit.manifest.enormous import FILLED

COMMAND = "lading check"
VALID = ("examples/*/lading.toml", "tests/unit/survey/shapes/*/lading.toml", "src/lading/manifest/example.toml")
LONGEST = 5.0  # seconds that checking the largest file may take
MOST_MEMORY = 256.0  # MB that it may take
PATIENCE = 60.0  # seconds, after which a check counts as never ending


class Ran(NamedTuple):
    """One run of the command: exit status, what it wrote as its last object, seconds, and MB at most."""

    status: int
    told: dict[str, Any]
    seconds: float
    memory: float


def measure() -> list[dict[str, Any]]:
    """Check the corpus, the manifests that are right, and the largest ones, a process each."""
    with tempfile.TemporaryDirectory() as place:
        broken = [(is_as_expected(path, ran := check(path)), ran) for path in corpus()]
        right = [check(path) for path in sorted(path for pattern in VALID for path in ROOT.glob(pattern))]
        largest = [check(path) for path in _written(Path(place))]
    return [figure.plain() for figure in figures(broken, right, largest)]


def figures(broken: list[tuple[bool, Ran]], right: list[Ran], largest: list[Ran]) -> list[Figure]:
    """Return the figures of the runs."""
    answered = sum(good for good, _ in broken)
    accepted = sum(ran.status == 0 for ran in right)
    ended = sum(ran.status in (0, 2) for ran in largest)
    times = [ran.seconds for _, ran in broken]
    return [
        at_least("broken manifests answered as expected", share(answered, broken), "%", 100, COMMAND, len(broken)),
        at_least("valid manifests accepted", share(accepted, right), "%", 100, COMMAND, len(right)),
        told("one check of a broken manifest", median(times) * 1000, "ms", COMMAND, len(times)),
        at_least("manifests of 256 KiB that end with 0 or 2", share(ended, largest), "%", 100, COMMAND, len(largest)),
        at_most("the slowest of them", max(ran.seconds for ran in largest), "s", LONGEST, COMMAND, len(largest)),
        at_most("memory of the largest", max(ran.memory for ran in largest), "MB", MOST_MEMORY, COMMAND, len(largest)),
    ]


def share(good: int, of: Iterable[Any]) -> float:
    """Return a share in percent, never rounded up to all."""
    return int(1000 * good / len(list(of))) / 10


def is_as_expected(path: Path, ran: Ran) -> bool:
    """Tell whether a broken manifest was answered with exactly its messages and exit status 2."""
    return ran.status == 2 and ran.told.get("error", {}).get("details") == expected(path)


def check(path: Path) -> Ran:
    """Run the installed command on a file."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen([LADING, "check", "--json", str(path)], stdout=out, stderr=subprocess.STDOUT)
        status, usage = _ended(process)
        seconds = time.perf_counter() - began
        out.seek(0)
        lines = out.read().decode(errors="replace").splitlines()
    return Ran(status, _object(lines), seconds, usage.ru_maxrss * 1024 / 1e6)


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.002)


def _object(lines: list[str]) -> dict[str, Any]:
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _written(place: Path) -> list[Path]:
    paths = []
    for number, make in enumerate(FILLED.values()):
        path = place / f"{number}.toml"
        path.write_text(make())
        paths.append(path)
    return paths
