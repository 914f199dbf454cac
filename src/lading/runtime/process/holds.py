"""Holds as the agent sees them: it starts a guard, waits for what that decides, and sends another when one died."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from lading.model.errors import LadingError
from lading.model.secret import Secret, redact
from lading.ports.database import Place
from lading.ports.runtime import Held, HeldResult
from lading.runtime.process import logs
from lading.runtime.process.held import log_of
from lading.runtime.process.hold import TRIES, Folder, HoldPlan, restore_time
from lading.runtime.process.launcher import Attempt, Launcher, Prepared, explained
from lading.runtime.process.records import Records, file_name
from lading.runtime.process.spawn import adopt

LOOK = 0.005  # seconds between two looks at what a guard decided
BEYOND = 20.0  # seconds beyond all that it may need after which a guard is ended, and another one sent
GUARDS = 4  # sent for one hold by one call, before that call gives up
OUTPUT_LIMIT = 64 << 10  # bytes of a run's output that are returned
SHOWN = 5  # lines of a guard's log that explain why it ended
KEPT = 50  # decided holds whose words are kept


class Order(msgspec.Struct, frozen=True):
    """What a guard is to begin: a process that was prepared, or the container that was made for the run."""

    process: Prepared | None = None
    container: str = ""


class Runner(Protocol):
    """What one runtime does for the runs of its holds."""

    @property
    def kind(self) -> str:
        """The kind of artifact whose runs it prepares."""
        ...

    def order(self, held: Held, secrets: Mapping[str, Secret]) -> Order:
        """Do all that can be done beforehand, and return what is left to the guard; called again after a death."""
        ...

    def output(self, run: str) -> str:
        """Return what a run wrote, as it is."""
        ...

    def forget(self, run: str) -> None:
        """Remove what is left of a run whose hold is over, its output excepted."""
        ...


class Holds:
    """Holds of one runtime, in ``directory``. ``guard`` are the words that start a guard; the folder follows them.

    ``processes`` is where the process runtime keeps its records: whatever is migrated, processes stand still. A guard
    is told what to run through its standard input, as that may hold secrets; nothing of it is written anywhere.
    """

    def __init__(self, directory: Path, processes: Path, guard: Sequence[str], runner: Runner) -> None:
        self._directory = directory
        self._processes = processes
        self._guard = tuple(guard)
        self._runner = runner

    def run(self, held: Held, secrets: Mapping[str, Secret]) -> HeldResult:
        """Carry a hold to its end, or join the one of that name, or tell how it ended."""
        folder = self._folder(held.name)
        with explained(held.run.spec):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.open(self._plan(held))
        patience = _patience(held.limit, held.place)
        result = self._to_its_end(folder, patience, lambda: self._runner.order(held, secrets))
        output = redact(self._runner.output(held.run.name), secrets.values())
        self._runner.forget(held.run.name)
        return msgspec.structs.replace(result, output=output)

    def unsettled(self, marker: str) -> Sequence[str]:
        """Return the names of an environment's holds that are not over."""
        found = []
        for path in sorted(self._directory.glob("*/plan.json")):
            folder = Folder(path.parent)
            plan = None if folder.is_over() else folder.plan()
            if plan is not None and plan.marker == marker:
                found.append(plan.name)
        return tuple(found)

    def settle(self, name: str) -> HeldResult | None:
        """Send a guard to bring a hold to its end, unless one is at work; None while one is."""
        folder = self._folder(name)
        plan = folder.plan()
        if plan is None:
            return HeldResult(outcome="restored", reason="it never began")
        if not folder.is_over() and folder.is_locked():
            return None
        result = self._to_its_end(folder, _patience(plan.limit, plan.place), lambda: None)
        self._runner.forget(plan.run)
        return result

    def prune(self) -> None:
        """Forget all but the newest of those that are over."""
        over = [path.parent for path in self._directory.glob("*/over")]
        for path in sorted(over, key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
            shutil.rmtree(path, ignore_errors=True)

    # guards

    def _to_its_end(self, folder: Folder, patience: float, prepare: Callable[[], Order | None]) -> HeldResult:
        for _ in range(GUARDS):
            result = folder.result() if folder.is_over() else None
            if result is not None:
                return result
            guard = None if folder.is_locked() else self._send(folder, None if folder.touched() else prepare())
            self._wait(folder, guard, time.monotonic() + patience)
        said = logs.last_lines(folder.path / "log", SHOWN)
        raise LadingError(
            "step-failed",
            doing=f"hold {folder.path.name}",
            happened=f"{GUARDS} guards ended without bringing it to its end",
            now="what they froze may stand still until one does",
            hint=f"see {folder.path / 'log'}; the agent tries again by itself",
            details=tuple(said),
        )

    def _send(self, folder: Folder, order: Order | None) -> subprocess.Popen[bytes]:
        """Start a guard in a session of its own; what it is to run goes through a pipe, for secrets are in it."""
        with (folder.path / "log").open("ab") as log:
            guard = subprocess.Popen(
                [*self._guard, str(folder.path)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                start_new_session=True,
                umask=0o077,
            )
        adopt(guard)
        pipe = guard.stdin
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.write(msgspec.json.encode(order))
                pipe.close()
        return guard

    def _wait(self, folder: Folder, guard: subprocess.Popen[bytes] | None, deadline: float) -> None:
        """Wait until the hold is over, or its guard is gone, or the guard has had more than its time: then end it."""
        while not folder.is_over():
            ended = guard is None or guard.poll() is not None
            if ended and not folder.is_locked():
                return
            if time.monotonic() >= deadline:
                folder.kill_guard()
                return
            time.sleep(LOOK)

    def _plan(self, held: Held) -> HoldPlan:
        return HoldPlan(
            name=held.name,
            marker=held.marker,
            run=held.run.name,
            place=held.place,
            limit=held.limit,
            root=str(self._processes),
            kind=self._runner.kind,
        )

    def _folder(self, name: str) -> Folder:
        return Folder(self._directory / file_name(name))


def _patience(limit: float, place: Place) -> float:
    """Return the seconds that a guard may take: for a moment without a writer, for the hold, for restoring in need."""
    return 2 * limit + TRIES * restore_time(place) + BEYOND


class ProcessRunner:
    """Prepares runs that are processes."""

    kind = "bundle"

    def __init__(self, launcher: Launcher, runs: Records) -> None:
        self._launcher = launcher
        self._runs = runs

    def order(self, held: Held, secrets: Mapping[str, Secret]) -> Order:
        """Prepare the process, which the guard spawns."""
        attempt = Attempt(
            records=self._runs,
            previous=self._runs.read(held.run.name),
            log=log_of(self._runs, held.run.name),
            name=held.run.name,
            args=held.run.args,
            with_outputs=True,
        )
        # The folder of the records is made by taking the lock, which the guard takes again.
        lock = self._runs.try_lock(held.run.name)
        if lock is not None:
            os.close(lock)
        return Order(process=self._launcher.prepare(held.run.spec, secrets, attempt))

    def output(self, run: str) -> str:
        """Return the last of what a run wrote."""
        return logs.tail(log_of(self._runs, run), OUTPUT_LIMIT).decode(errors="replace")

    def forget(self, run: str) -> None:
        """Leave it: runs are forgotten by their number, with their outputs."""
