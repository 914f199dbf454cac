"""Named fault points around every port method: where recovery tests kill the agent or make an act fail.

The points are generated from the protocols, so a method that somebody adds to a port has its points without being
listed anywhere. A guarded world behaves exactly like the world it guards as long as no fault is set.
"""

import dataclasses
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from lading.engine.world import GUARDED, World
from lading.model import typed
from lading.model.errors import LadingError


class Killed(BaseException):
    """Stands for the death of the agent in tests that run engine and world in one process."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What to do at a point: ``kill`` the agent, ``fail`` the act, or ``stop`` the agent until somebody lets it go on.

    ``point`` is ``port.method:before`` or ``port.method:after``, ``at`` the how-manieth visit it begins with (from 1),
    ``times`` how often (0: for good). Only visits of threads whose name begins with ``thread`` count: an agent's
    supervisor visits the same points as its rollouts do.
    """

    point: str
    act: str
    at: int = 1
    times: int = 1
    code: str = "step-failed"
    thread: str = ""

    def strikes(self, visit: int) -> bool:
        """Tell whether the fault happens at this visit of its point."""
        return visit >= self.at and (self.times == 0 or visit < self.at + self.times)


def kill_process() -> None:
    """Kill this very process the way a crash does: nothing is flushed, nothing is cleaned."""
    os.kill(os.getpid(), signal.SIGKILL)


def raise_killed() -> None:
    """Stop the engine in this process as if it had died."""
    raise Killed


class Faults:
    """Counts the visits of every point and strikes where a fault is set.

    ``trace`` is a file that gets a line ``THREAD POINT`` for every visit: what there is to strike at.
    """

    def __init__(
        self, faults: tuple[Fault, ...] = (), kill: Callable[[], None] = kill_process, trace: Path | None = None
    ) -> None:
        self._faults = faults
        self._kill = kill
        self._trace = trace
        self._lock = threading.Lock()
        self._seen = [0] * len(faults)
        self.visits: Counter[str] = Counter()

    @classmethod
    def from_environment(cls, text: str, trace: str = "") -> "Faults":
        """Read faults from JSON, as the agent takes them from ``LADING_FAULTS`` in recovery tests."""
        return cls(typed.decode(text, tuple[Fault, ...]), trace=Path(trace) if trace else None)

    def visit(self, point: str) -> None:
        """Count a visit of the point and strike if a fault is set for it."""
        thread = threading.current_thread().name
        with self._lock:
            self.visits[point] += 1
            struck = self._struck(point, thread)
            if self._trace is not None:
                with self._trace.open("a") as file:
                    file.write(f"{thread} {point}\n")
        if struck is None:
            return
        if struck.act == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        if struck.act == "kill":
            self._kill()
        raise LadingError(struck.code, doing=point, happened="a fault was injected here")

    def _struck(self, point: str, thread: str) -> Fault | None:
        struck = None
        for number, fault in enumerate(self._faults):
            if fault.point == point and thread.startswith(fault.thread):
                self._seen[number] += 1
                if struck is None and fault.strikes(self._seen[number]):
                    struck = fault
        return struck


def methods_of(protocol: type) -> tuple[str, ...]:
    """Return the names of a protocol's methods; its properties only describe and get no point."""
    return tuple(
        sorted(
            name
            for name, member in vars(protocol).items()
            if not name.startswith("_") and callable(member) and not isinstance(member, property)
        )
    )


def all_points() -> tuple[str, ...]:
    """Return every point there is, in order."""
    return tuple(
        f"{port}.{method}:{when}"
        for port, protocol in GUARDED.items()
        for method in methods_of(protocol)
        for when in ("before", "after")
    )


class _Guard:
    """Passes everything on to an adapter, visiting the points around each method of its port."""

    def __init__(self, port: str, adapter: Any, faults: Faults) -> None:
        self._adapter = adapter
        for method in methods_of(GUARDED[port]):
            setattr(self, method, self._guarded(port, method, getattr(adapter, method), faults))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    @staticmethod
    def _guarded(port: str, method: str, act: Callable[..., Any], faults: Faults) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            faults.visit(f"{port}.{method}:before")
            result = act(*args, **kwargs)
            faults.visit(f"{port}.{method}:after")
            return result

        return guarded


def guard(world: World, faults: Faults) -> World:
    """Return the world with fault points around every method of every port."""
    guarded: dict[str, Any] = {port: _Guard(port, getattr(world, port), faults) for port in GUARDED}
    return dataclasses.replace(world, **guarded)


def to_environment(faults: tuple[Fault, ...]) -> str:
    """Return the text for ``LADING_FAULTS``."""
    return json.dumps(msgspec.to_builtins(faults))
