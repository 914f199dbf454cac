"""A prober that sends nothing: it counts the requests it would have sent, and loses what a test tells it to."""

import threading

import msgspec

from lading.ports.clock import Clock
from lading.ports.prober import ProbeCount, ProbeTarget


class MemoryProber:
    """Counts ``per_second`` virtual requests for each second of ``clock``; ``lose`` makes some of them lost."""

    def __init__(self, clock: Clock) -> None:
        self.targets: dict[str, ProbeTarget] = {}
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[str, float] = {}
        self._counts: dict[str, ProbeCount] = {}

    def start(self, name: str, target: ProbeTarget) -> None:
        """Start counting under ``name``; while it already counts, do nothing."""
        with self._lock:
            if name not in self._since:
                self._since[name] = self._clock.monotonic()
                self.targets[name] = target
                self._counts.setdefault(name, ProbeCount())

    def count(self, name: str) -> ProbeCount:
        """Return what was counted so far; zeros for an unknown name."""
        with self._lock:
            return self._now(name)

    def stop(self, name: str) -> ProbeCount:
        """Stop and return the final count. Idempotent."""
        with self._lock:
            final = self._now(name)
            if self._since.pop(name, None) is not None:
                self._counts[name] = final
            return final

    def lose(self, requests: int = 1, reason: str = "connection refused", *, name: str | None = None) -> None:
        """Lose so many requests of ``name``, or of every name that is counting now."""
        with self._lock:
            for each in [name] if name is not None else list(self._since):
                count = self._counts.get(each, ProbeCount())
                self._counts[each] = msgspec.structs.replace(
                    count,
                    requests=count.requests + requests,
                    lost=count.lost + requests,
                    first_loss=count.first_loss or reason,
                )

    @property
    def running(self) -> tuple[str, ...]:
        """The names that are counting now."""
        with self._lock:
            return tuple(self._since)

    def _now(self, name: str) -> ProbeCount:
        count = self._counts.get(name, ProbeCount())
        if name not in self._since:
            return count
        sent = int((self._clock.monotonic() - self._since[name]) * self.targets[name].per_second + 1e-6)
        return msgspec.structs.replace(count, requests=count.requests + sent, slowest=0.001 if sent else count.slowest)
