"""Virtual time: waiting costs nothing, and the wall clock may jump."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

STEP = 0.01  # virtual seconds between two looks at a wake condition, at the least
LOOKS = 50  # at most so many looks in one wait: a wait of ten minutes stays cheap


class MemoryClock:
    """A clock that moves only when somebody waits on it (or a test moves it).

    Several threads may wait at once: they share one time line. ``at`` plans an act at a moment of virtual time,
    carried out by whichever thread brings the clock there.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._lock = threading.Lock()
        self._monotonic = 0.0
        self._offset = start
        self._planned: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def now(self) -> float:
        """Return virtual wall time in seconds since the epoch."""
        with self._lock:
            return self._offset + self._monotonic

    def monotonic(self) -> float:
        """Return virtual seconds since this clock was made."""
        with self._lock:
            return self._monotonic

    def wait(self, seconds: float, wake: Callable[[], bool]) -> bool:
        """Let virtual time pass, at most ``seconds``; return True as soon as ``wake()`` is true, else False."""
        with self._lock:
            deadline = self._monotonic + max(seconds, 0.0)
        step = max(STEP, seconds / LOOKS)
        while not wake():
            if self._move(deadline, step):
                return wake()
            if threading.active_count() > 1:
                time.sleep(0)  # lets another thread act between two looks; even no sleep costs 0.1 ms
        return True

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass, carrying out what was planned in between."""
        with self._lock:
            deadline = self._monotonic + seconds
        while not self._move(deadline, max(STEP, seconds)):
            pass

    def jump(self, seconds: float) -> None:
        """Move wall time only, back or forth, as an administrator or a time service does; no deadline moves."""
        with self._lock:
            self._offset += seconds

    def at(self, seconds: float, act: Callable[[], object]) -> None:
        """Carry out ``act`` once ``seconds`` of virtual time from now have passed."""
        with self._lock:
            heapq.heappush(self._planned, (self._monotonic + seconds, next(self._numbers), act))

    def _move(self, deadline: float, step: float) -> bool:
        """Go one step towards ``deadline``, stopping at what is planned; tell whether it is reached."""
        with self._lock:
            target = min(deadline, self._monotonic + step)
            if self._planned:
                target = min(target, self._planned[0][0])
            self._monotonic = max(self._monotonic, target)
            due = []
            while self._planned and self._planned[0][0] <= self._monotonic:
                due.append(heapq.heappop(self._planned)[2])
            reached = self._monotonic >= deadline
        for act in due:
            act()
        return reached
