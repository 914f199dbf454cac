"""Runs that go on by themselves, in a runtime without processes."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from lading.model.secret import Secret
from lading.ports.clock import Clock
from lading.ports.runtime import Ended, Run, Written


@dataclass
class Begun:
    """A run that was begun, and how it ended."""

    run: Run
    started: float
    secrets: Mapping[str, Secret]
    lines: list[str] = field(default_factory=list)
    ended: Ended | None = None


class MemoryRuns:
    """Begun runs, which go on until a test (or a script) ends them; ``lock`` is the whole runtime's."""

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self._clock = clock
        self._lock = lock
        self.begun: dict[str, Begun] = {}
        self.obeys = True

    def begin(self, run: Run, secrets: Mapping[str, Secret]) -> bool:
        """Begin a run; tell whether it is new."""
        with self._lock:
            if run.name in self.begun:
                return False
            self.begun[run.name] = Begun(run, self._clock.now(), dict(secrets))
            return True

    def end(self, name: str, exit_status: int | None = 0, output: str = "", *, lost: bool = False) -> None:
        """Let a run end."""
        with self._lock:
            begun = self.begun[name]
            if begun.ended is not None:
                return
            begun.lines += output.splitlines()
            begun.ended = Ended(
                exit_status=exit_status,
                output="\n".join(begun.lines),
                outputs=f"/memory/outputs/{name}",
                started=begun.started,
                seconds=max(0.0, self._clock.now() - begun.started),
                lost=lost,
            )

    def run_end(self, run: Run, *, wait: float) -> Ended | None:
        """Wait for a run to end, while virtual time passes."""
        begun = self.begun.get(run.name)
        if begun is None:
            return Ended(exit_status=None)
        self._clock.wait(wait, lambda: begun.ended is not None)
        return begun.ended

    def stop_run(self, run: Run, *, grace: float) -> None:
        """End a run by its stop signal, or kill it when it does not obey or gets no grace."""
        if run.name in self.begun:
            self.end(run.name, -15 if self.obeys and grace > 0 else -9)

    def run_output(self, run: Run, cursor: str = "") -> Written:
        """Return the lines after a cursor, which counts them."""
        begun = self.begun.get(run.name)
        lines = tuple(begun.lines[int(cursor or 0) :]) if begun is not None else ()
        return Written(lines=lines, cursor=str(int(cursor or 0) + len(lines)))

    def drop_run(self, run: Run) -> None:
        """Forget a run."""
        with self._lock:
            self.begun.pop(run.name, None)

    def lose(self) -> None:
        """Let every run that goes on be lost with the machine."""
        for name in list(self.begun):
            self.end(name, None, lost=True)
