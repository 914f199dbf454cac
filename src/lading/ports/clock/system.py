"""The host's own clock."""

import time
from collections.abc import Callable

LOOK_EVERY = 0.01  # seconds between two looks at a wake condition


class SystemClock:
    """Wall and monotonic time of the host."""

    def now(self) -> float:
        """Return wall time in seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        return time.monotonic()

    def wait(self, seconds: float, wake: Callable[[], bool]) -> bool:
        """Wait at most ``seconds``; return True as soon as ``wake()`` is true (asked every 10 ms), else False."""
        deadline = time.monotonic() + seconds
        while not wake():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, LOOK_EVERY))
        return True
