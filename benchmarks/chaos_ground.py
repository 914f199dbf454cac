"""The ground of a chaos campaign: a place for its agents, a template of an agent's home, and its random moments.

Smaller campaigns by environment variables: CHAOS_KILLS (random kills, 500), CHAOS_CASES (faults at real agents, 0 for
all of them), CHAOS_TIMES (repetitions of each calamity, 5), CHAOS_SEED (the random moments; told with the results).
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def wanted(name: str, usual: int) -> int:
    """Return how many times something is to be done: what the variable CHAOS_NAME says, else the usual number."""
    return int(os.environ.get(f"CHAOS_{name}", str(usual)))


def moments() -> random.Random:
    """Return the campaign's random moments, and tell the seed that gives them again."""
    seed = wanted("SEED", time.time_ns() % 1_000_000)
    print(f"  seed {seed}", flush=True)
    return random.Random(seed)


@contextmanager
def ground() -> Iterator[Path]:
    """Give a directory for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        root = Path(name)
        # Others may pass through, so that each environment can have a user of its own.
        root.chmod(0o711)
        yield root
