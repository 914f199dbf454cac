"""Kill it: at every fault point, at random moments, and by what befalls machines; count what is neither old nor new.

Smaller runs by environment variables: CHAOS_KILLS (random kills, 500), CHAOS_CASES (faults at real agents, 0 for all of
them), CHAOS_TIMES (repetitions of each calamity, 5), CHAOS_SEED (the random moments; told with the results).
"""

import os
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chaos_calamities import calamities
from benchmarks.chaos_faults import in_memory, real_faults
from benchmarks.chaos_kills import random_kills
from benchmarks.figures import Figure, at_most
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
            for name, part in {
                "recovery matrix in memory": in_memory,
                "faults at real agents": lambda: real_faults(template, root / "faults", cases, chance),
                "random kills": lambda: random_kills(root / "kills", kills, chance),
                "calamities": lambda: calamities(template, root / "calamities", times),
            }.items()
            for figure in _carried_out(name, part)
        ]


def _carried_out(name: str, part: Callable[[], list[Figure]]) -> list[Figure]:
    """Carry a part out; one that breaks off is a bar that was missed, and the others are told all the same."""
    began = time.monotonic()
    try:
        figures = part()
    except Exception:  # noqa: BLE001 - whatever it is, hours of the other parts shall not be lost with it
        traceback.print_exc()
        figures = [at_most(f"{name}: broke off before its end", 1, "parts", 0, command="make chaos", n=1)]
    print(f"  {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures
