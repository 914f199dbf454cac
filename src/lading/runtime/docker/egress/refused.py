"""What confined containers tried to reach and may not, one file an environment, so that somebody can read it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lading.runtime.docker.egress.confined import Confined
from lading.runtime.process import logs
from lading.runtime.process.records import file_name

QUIET: Final = 10.0  # seconds in which the same attempt is counted and not written again
LOG_LIMIT: Final = 1 << 20  # bytes kept of one environment's attempts
MOST_COUNTED: Final = 10_000  # attempts that are told apart at a time


def file_of(directory: Path, marker: str) -> Path:
    """Return the file with an environment's refused attempts."""
    return directory / f"{file_name(marker.replace('/', '.'))}.log"


def last_lines(directory: Path, marker: str, lines: int) -> Sequence[str]:
    """Return the last attempts of an environment, oldest first."""
    return logs.last_lines(file_of(directory, marker), lines)


class Refused:
    """Writes attempts down; one that is made again and again is counted."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._last: dict[tuple[str, str], tuple[float, int]] = {}

    def tell(self, one: Confined, what: str, why: str) -> None:
        """Write that a container tried to reach something."""
        key, now = (one.name, what), time.time()
        written, more = self._last.get(key, (0.0, 0))
        if now - written < QUIET:
            self._last[key] = (written, more + 1)
            return
        if len(self._last) >= MOST_COUNTED:
            self._last.clear()
        self._last[key] = (now, 0)
        again = f" (and {more} times since the line before)" if more else ""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        shown = "".join(letter if letter.isprintable() else "?" for letter in what)[:300]
        file = file_of(self._directory, one.marker)
        with open(logs.open_log(file), "a", encoding="utf-8", errors="replace") as log:
            log.write(f"{stamp}  {one.label:<10}  {shown}  {why}{again}\n")
        logs.trim(file, LOG_LIMIT)
