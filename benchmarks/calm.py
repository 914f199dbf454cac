"""Waits until nobody else works: what is timed in turns should not be what others do meanwhile."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CALM = 0.15  # share of all cores that may be at work
LOOK = 0.4  # seconds that a look at it takes
PATIENCE = 5.0  # seconds to wait at most


class Ticks(NamedTuple):
    """What all cores have done since the machine started, in clock ticks."""

    idle: int
    total: int


def ticks(stat: Path = Path("/proc/stat")) -> Ticks:
    """Return what the kernel counted so far."""
    fields = [int(field) for field in stat.read_text().partition("\n")[0].split()[1:9]]
    return Ticks(idle=fields[3] + fields[4], total=sum(fields))


def busy(before: Ticks, after: Ticks) -> float:
    """Return the share of all cores that was at work between two looks."""
    passed = after.total - before.total
    return 1.0 - (after.idle - before.idle) / passed if passed else 0.0


def wait_for_calm(
    patience: float = PATIENCE,
    look: Callable[[], Ticks] = ticks,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until the machine is calm and return True; False when it was not within ``patience`` seconds."""
    waited = 0.0
    while waited <= patience:
        before = look()
        pause(LOOK)
        waited += LOOK
        if busy(before, look()) <= CALM:
            return True
    return False
