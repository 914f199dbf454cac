"""Kill it: at every fault point, at random moments, and by what befalls machines; count what is neither old nor new.

Smaller runs by environment variables: CHAOS_KILLS (random kills, 500), CHAOS_CASES (faults at real agents, 0 for all of
them), CHAOS_TIMES (repetitions of each calamity, 5), CHAOS_SEED (the random moments; told with the results).
"""

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chaos_calamities import calamities
from benchmarks.chaos_faults import in_memory, real_faults
from benchmarks.chaos_kills import random_kills
from benchmarks.figures import Figure
from tests.agents import make_template


def measure() -> list[dict[str, Any]]:
    """Carry the whole campaign out."""
    kills = int(os.environ.get("CHAOS_KILLS", "500"))
    cases = int(os.environ.get("CHAOS_CASES", "0"))
    times = int(os.environ.get("CHAOS_TIMES", "5"))
    seed = int(os.environ.get("CHAOS_SEED", str(time.time_ns() % 1_000_000)))
    print(f"  seed {seed}", flush=True)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        root = Path(place)
        # Others may pass through, so that each environment can have a user of its own.
        root.chmod(0o711)
        template = make_template(root / "template")
        return [
            figure.plain()
            for part in (
                in_memory,
                lambda: real_faults(template, root / "faults", cases, chance),
                lambda: random_kills(root / "kills", kills, chance),
                lambda: calamities(template, root / "calamities", times),
            )
            for figure in _timed(part)
        ]


def _timed(part: Callable[[], list[Figure]]) -> list[Figure]:
    began = time.monotonic()
    figures = part()
    print(f"  … {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures
