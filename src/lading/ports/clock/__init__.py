"""What time it is."""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Wall time for people and signatures, monotonic time for deadlines: a jump of the former moves no deadline."""

    def now(self) -> float:
        """Return wall time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...

    def wait(self, seconds: float, wake: Callable[[], bool]) -> bool:
        """Wait at most ``seconds``; return True as soon as ``wake()`` is true (asked often), else False."""
        ...
