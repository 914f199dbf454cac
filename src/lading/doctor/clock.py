"""The host's clock: whether it runs as time does."""

import time
from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well

JUMP = 5.0  # seconds that wall time and running time may drift apart in the life of a program
SKEW = 5.0  # seconds that two machines' clocks may differ; a bill is refused from 300 s on

# Wall time minus running time when this program began: it stays the same unless somebody sets the clock.
_AT_START = time.time() - time.monotonic()


def jumps(_home: Path) -> Iterator[Finding]:
    """Compare how wall time and running time have advanced since this program began."""
    jump = time.time() - time.monotonic() - _AT_START
    if abs(jump) > JUMP:
        yield found("clock-jumped", "clock", f"the clock moved by {jump:+.0f} s beside running time")
    else:
        yield well("clock", "no jump since it started")


def skew(here: float, there: float, took: float) -> Iterator[Finding]:
    """Compare this machine's time with another's (seconds since the epoch); the question took ``took`` seconds."""
    difference = there - here
    if abs(difference) > SKEW + took:
        yield found("clock-skew", "clock", f"the agent's clock is {difference:+.0f} s from this one")
    else:
        yield well("clock", f"within {SKEW + took:.0f} s of this machine's")
