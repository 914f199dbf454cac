"""Who counts lost requests while a rollout moves traffic."""

from typing import Protocol

import msgspec

from lading.model.environment import Pass


class ProbeTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What a prober asks: ``GET path`` at ``base_url`` with ``host`` as Host header, ``per_second`` times a second.

    ``passing`` is what to send along.
    """

    base_url: str
    host: str | None
    path: str
    per_second: float
    passing: Pass = Pass()


class ProbeCount(msgspec.Struct, frozen=True, kw_only=True):
    """Requests sent and lost so far; *lost* is a request without a complete answer below 500.

    ``slowest`` is the longest answer in seconds, ``first_loss`` the first reason in words.
    """

    requests: int = 0
    lost: int = 0
    slowest: float = 0.0
    first_loss: str = ""


class Prober(Protocol):
    """Keeps asking through the router, without retries, from a thread of its own."""

    def start(self, name: str, target: ProbeTarget) -> None:
        """Start asking under ``name``; while it already asks, do nothing."""
        ...

    def count(self, name: str) -> ProbeCount:
        """Return what was counted so far; zeros for an unknown name."""
        ...

    def stop(self, name: str) -> ProbeCount:
        """Stop, wait for requests under way, and return the final count. Idempotent."""
        ...
