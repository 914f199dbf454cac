"""The programs of a project as they run while somebody works on it: started, started again, and ended together."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from lading.dev.child import Child, end
from lading.dev.programs import LOOPBACK, Program
from lading.dev.readiness import wait_ready
from lading.model.errors import LadingError

RELOAD_GRACE = 2.0  # seconds a program may take to end before it is started again: somebody waits for it
END_GRACE = 5.0  # seconds it may take at the end
LAST_BREATH = 1.0  # seconds between the end of its output and its own
CONFIGURATION = frozenset({"lading.toml", ".env"})
MIGRATIONS = frozenset({"migrations", "alembic", "versions"})  # folders whose change may bring a new migration


class Told(Protocol):
    """Who is told what happens."""

    def line(self, name: str, text: str) -> None:
        """Take a line that a program wrote."""
        ...

    def note(self, text: str) -> None:
        """Take a line of Lading's own."""
        ...

    def trouble(self, error: LadingError) -> None:
        """Take an error that does not end the session."""
        ...


class Prepared(NamedTuple):
    """What is to run: commands that come first, one after the other, and programs that then run side by side."""

    first: tuple[Program, ...]
    programs: tuple[Program, ...]


class Session:
    """Runs what ``prepare`` gives until it is interrupted; it is asked again when the configuration changes."""

    def __init__(self, root: Path, prepare: Callable[[], Prepared], told: Told) -> None:
        self._root = root
        self._prepare = prepare
        self._told = told
        self._changes: queue.SimpleQueue[frozenset[Path] | Child] = queue.SimpleQueue()
        self._children: list[Child] = []
        self._first_done = False
        self._failed = False  # something did not start, or ended badly, since it was prepared

    def changed(self, paths: frozenset[Path]) -> None:
        """Say that files changed; callable from any thread."""
        self._changes.put(paths)

    def run(self, prepared: Prepared) -> None:
        """Run until KeyboardInterrupt, then end all programs with whatever they started, and raise it on."""
        try:
            self._start(prepared)
            while True:
                news = self._changes.get()
                if isinstance(news, Child):
                    self._tell_end(news)
                else:
                    prepared = self._again(prepared, news)
        finally:
            end(self._children, END_GRACE)

    def _again(self, prepared: Prepared, paths: frozenset[Path]) -> Prepared:
        """Start again what has to be, after files changed, and return what runs."""
        configured = any(path.name in CONFIGURATION for path in paths)
        # What failed may have missed what backs it, which is looked after when it is prepared.
        if configured or self._failed:
            try:
                prepared = self._prepare()
            except LadingError as error:
                self._told.trouble(error)
                if configured:
                    self._told.note("what ran goes on as it was configured before")
                    return prepared
        if configured or any(MIGRATIONS & set(path.relative_to(self._root).parts) for path in paths):
            self._first_done = False
        elif not self._to_restart():
            return prepared
        self._told.note(f"{self._names(paths)} changed, starting again")
        self._failed = False
        end(self._children, RELOAD_GRACE)
        self._start(prepared)
        return prepared

    def _to_restart(self) -> bool:
        # A program with a reloader of its own is left to it as long as it runs.
        return not self._children or any(not child.program.own_reload or not child.running for child in self._children)

    def _names(self, paths: Iterable[Path]) -> str:
        names = sorted(str(path.relative_to(self._root)) for path in paths)
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    def _start(self, prepared: Prepared) -> None:
        self._children = []
        try:
            if not self._first_done:
                self._run_first(prepared.first)
                self._first_done = True
            for program in prepared.programs:
                self._children.append(Child(program, self._told.line, self._changes.put))
        except LadingError as error:
            self._failed = True
            self._told.trouble(error)
            self._told.note("it is tried again at the next change")
        for child in self._children:
            if child.program.port is not None:
                threading.Thread(target=self._tell_ready, args=(child,), daemon=True).start()

    def _run_first(self, programs: Iterable[Program]) -> None:
        for program in programs:
            self._told.note(f"{program.name}, before anything is started")
            child = Child(program, self._told.line, _nobody)
            try:
                status = child.status()
            finally:
                child.kill()
            if status:
                raise LadingError(
                    "start-failed",
                    doing=f"{program.name}, before anything is started",
                    happened=f"exit status {status}: {child.last_line}",
                    now="nothing of it runs",
                    hint="correct it and save the file",
                )

    def _tell_ready(self, child: Child) -> None:
        port, began = child.program.port, time.monotonic()
        assert port is not None
        if wait_ready(port, child.program.ready, lambda: child.running and not child.asked_to_end):
            took = time.monotonic() - began
            self._told.note(f"{child.program.name} is ready after {took:.1f} s: http://{LOOPBACK}:{port}")

    def _tell_end(self, child: Child) -> None:
        if child.asked_to_end or child not in self._children:
            return
        status = child.status(within=LAST_BREATH)
        if status is None:
            # It closed its output and runs on.
            return
        self._failed = self._failed or status != 0
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        last = f"; its last line: {child.last_line}" if child.last_line else ""
        self._told.note(f"{child.program.name} {how}{last}")
        self._told.note(f"{child.program.name} is started again at the next change of a file")


def _nobody(_child: Child) -> None:
    """Tell nobody that a command ended: it is waited for."""
