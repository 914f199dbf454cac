"""Kill it at every fault point, in memory: the whole matrix of points and faults."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import at_most

ROOT = Path(__file__).resolve().parent.parent


def measure() -> list[dict[str, Any]]:
    """Run the matrix over every visit of every fault point in memory."""
    words = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "tests/recovery/test_matrix.py"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    failed = counts.get("failed", 0) + counts.get("error", 0)
    if failed or not counts.get("passed"):
        print(done.stdout[-4000:], file=sys.stderr)
        failed = failed or 1
    name = "recovery matrix in memory: cases that ended wrongly, left a lock, or left a request unserved"
    figure = at_most(name, failed, "cases", 0, command="pytest tests/recovery", n=sum(counts.values()))
    return [figure.plain()]
