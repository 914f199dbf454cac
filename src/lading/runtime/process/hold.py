"""A hold, as its guard carries it: freeze, save, run, restore unless all went well, thaw.

The guard is a program of its own, in a session of its own: the agent's death does not reach it. It keeps one folder a
hold, and what stands there says at any moment what whoever comes after it has to do:

=============  ==========================================================================================
``plan.json``  what is held and until when; written by the agent before it starts the guard
``lock``       locked by the guard that is at work, as long as it lives
``frozen``     a line for whoever was made to stand still, written before that
``begun``      the database was saved and may have been changed since: only now is there something to restore
``undecided``  renamed to the decision, ``kept`` ``restored`` or ``torn``: needs no space on a full disk
``result``     the words to the decision
``open``       renamed to ``over`` once everybody was let go
=============  ==========================================================================================

The decision is on disk before the first of them goes on, and nobody is thawed without one. So at every death:

* before ``begun``: nothing was changed. The next guard thaws, and decides ``restored``.
* after ``begun``, no decision: nobody but the run wrote to the database since it was saved. The next guard ends the
  run, which may go on without its guard, restores, decides ``restored``, thaws.
* after a decision: the next guard thaws, whatever the decision is; what was written since is never touched.
* the machine went down: nothing stands frozen any more, and the same three hold for the database.

A guard that finds traces of an earlier one never runs anything; it only brings to an end. Two guards exclude each
other by the lock, and it is asked for before anything else is looked at.
"""

import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from lading.model import typed
from lading.model.errors import LadingError
from lading.ports.database import Custody, Place
from lading.ports.runtime import HeldResult
from lading.runtime.process.identity import Process, send, stat_of
from lading.runtime.process.records import POLL, sync_directory

DECISIONS = ("kept", "restored", "torn")
RESTORE_RATE = 50e6  # bytes a second that are restored at least: what of the limit is left for it
RESTORE_FLOOR = 0.5  # seconds for restoring however small the database is
LOOKING = 1.0  # seconds within which whoever only looks at the lock has let go of it
ANYTHING = (Exception,)
TRIES = 3  # of a restore, before the database is given up as torn


class HoldPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a hold is about, as it is written for the guard; no secret is in it.

    ``root`` is where the process runtime keeps its records, ``kind`` what the run is made of: ``bundle``, ``image``.
    """

    kind: str = "bundle"
    name: str
    marker: str
    run: str
    place: Place
    limit: float
    root: str


class Folder:
    """What stands in a hold's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, plan: HoldPlan) -> None:
        """Write what is to be done, on disk, unless it stands there already."""
        if self.plan() is not None:
            return
        self.path.mkdir(mode=0o700, exist_ok=True)
        # Files that are renamed later: a decision needs no space then.
        for name in ("undecided", "open"):
            os.close(os.open(self.path / name, os.O_WRONLY | os.O_CREAT, 0o600))
        draft = self.path / "plan.draft"
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(plan))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / "plan.json")
        sync_directory(self.path)

    def lock(self) -> int | None:
        """Take the lock of the guard that is at work; None while somebody has it."""
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def await_lock(self, seconds: float = LOOKING) -> int | None:
        """Take the lock, which others hold for a moment to see whether it is free; None where a guard is at work."""
        deadline = time.monotonic() + seconds
        while (fd := self.lock()) is None and time.monotonic() < deadline:
            time.sleep(POLL)
        return fd

    def is_locked(self) -> bool:
        """Tell whether a guard is at work."""
        if not (self.path / "lock").exists():
            return False
        fd = self.lock()
        if fd is None:
            return True
        os.close(fd)
        return False

    def sign(self, fd: int) -> None:
        """Leave in the lock which process holds it."""
        stat = stat_of(os.getpid())
        if stat is not None:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{stat.process.pid} {stat.process.start}".encode(), 0)

    def kill_guard(self) -> None:
        """End the guard that is at work, for it does not get on; the next one brings the hold to its end."""
        words = (self.path / "lock").read_text().split()
        if len(words) == 2:
            send(Process(int(words[0]), int(words[1])), signal.SIGKILL)

    def plan(self) -> HoldPlan | None:
        """Return the plan; None while there is none (or half of one: then nothing can have begun)."""
        try:
            return typed.decode((self.path / "plan.json").read_bytes(), HoldPlan)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def decision(self) -> str | None:
        """Return what was decided, None before that."""
        return next((word for word in DECISIONS if (self.path / word).exists()), None)

    def decide(self, word: str) -> None:
        """Decide once and for all, on disk."""
        (self.path / "undecided").rename(self.path / word)
        sync_directory(self.path)

    def is_over(self) -> bool:
        """Tell whether it was decided and everybody let go."""
        return (self.path / "over").exists()

    def end(self) -> None:
        """Note that everybody was let go."""
        (self.path / "open").rename(self.path / "over")

    def begun(self) -> bool:
        """Tell whether the database may have been changed."""
        return (self.path / "begun").exists()

    def begin(self) -> None:
        """Note, on disk, that the database may be changed from here on."""
        os.close(os.open(self.path / "begun", os.O_WRONLY | os.O_CREAT, 0o600))
        sync_directory(self.path)

    def touched(self) -> bool:
        """Tell whether a guard was here before."""
        return self.begun() or (self.path / "frozen").exists()

    def note_frozen(self, *words: object) -> None:
        """Note somebody who is about to be made to stand still, in the words of whoever does it."""
        with (self.path / "frozen").open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    def frozen(self) -> list[list[str]]:
        """Return whom a guard made to stand still, or was about to."""
        try:
            return [line.split() for line in (self.path / "frozen").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def tell(self, result: HeldResult) -> None:
        """Leave the words to the decision."""
        draft = self.path / "result.draft"
        draft.write_bytes(msgspec.json.encode(result))
        draft.replace(self.path / "result")

    def result(self) -> HeldResult | None:
        """Return how the hold ended; None before it was decided."""
        decision = self.decision()
        if decision is None:
            return None
        try:
            told = typed.decode((self.path / "result").read_bytes(), HeldResult)
        except (FileNotFoundError, msgspec.DecodeError):
            told = HeldResult(outcome="restored", reason="its guard was killed")
        return msgspec.structs.replace(told, outcome=decision)


class Still(Protocol):
    """One kind of those that stand still during a hold: processes, containers."""

    def look(self) -> None:
        """Do what takes long before anybody stands still."""
        ...

    def freeze(self) -> None:
        """Make all stand still, each noted before; return once nothing of them runs. Raise ``step-failed``."""
        ...

    def thaw(self) -> None:
        """Let those go on that were noted, whoever noted them; quiet about those that are gone."""
        ...


class Work(Protocol):
    """The run of a hold."""

    def run(self, deadline: float) -> int | None:
        """Run to the end, which is the deadline at the latest, and return the exit status (None: it was stopped)."""
        ...

    def end(self) -> None:
        """End what may go on of it, whoever began it; return once nothing of it runs."""
        ...


class Hold:
    """One hold in the hands of its guard, which holds the folder's lock."""

    def __init__(self, folder: Folder, plan: HoldPlan, custody: Custody, still: Sequence[Still]) -> None:
        self._folder = folder
        self._plan = plan
        self._custody = custody
        self._still = tuple(still)
        self._frozen_at: float | None = None
        self._told = HeldResult(outcome="restored")

    def carry(self, work: Work, *, begin: bool) -> None:
        """Carry the hold to its end; unless ``begin``, or where a guard was before, bring to an end what was left."""
        if self._folder.decision() is not None:
            # Its guard may have died before the decision was safe, and what follows must not outlive it.
            sync_directory(self._folder.path)
        elif begin and not self._folder.touched():
            self._decide("kept" if self._went_well(work) else self._put_back(work))
        else:
            self._told = HeldResult(outcome="restored", reason="its guard was killed before it was done")
            self._decide(self._put_back(work))
        for still in self._still:
            still.thaw()
        if self._frozen_at is not None:
            self._told = msgspec.structs.replace(self._told, held=round(time.monotonic() - self._frozen_at, 4))
            self._tell()
        self._folder.end()

    def _went_well(self, work: Work) -> bool:
        try:
            self._custody.prepare()
            for still in self._still:
                still.look()
            with self._custody.writing_shut(self._plan.limit):
                self._frozen_at = time.monotonic()
                for still in self._still:
                    still.freeze()
                self._custody.save(self._plan.limit / 2)
            self._folder.begin()
            status = work.run(self._frozen_at + self._time_to_run())
            self._told = HeldResult(outcome="restored", exit_status=status, reason=self._why(status))
            if status == 0:
                self._custody.secure()
        except ANYTHING as error:  # what stands frozen has to be let go, on a database that is whole
            self._told = msgspec.structs.replace(self._told, reason=_words(error))
            return False
        return status == 0

    def _put_back(self, work: Work) -> str:
        """Restore what may have been changed and return what to decide; nobody has written to it since it was saved."""
        if not self._folder.begun():
            return "restored"
        work.end()
        for _ in range(TRIES):
            try:
                self._custody.restore()
            except (LadingError, OSError) as error:
                failure = f"it could not be restored: {_words(error)}"
                continue
            return "restored"
        self._told = msgspec.structs.replace(self._told, reason="; ".join(filter(None, (self._told.reason, failure))))
        return "torn"

    def _decide(self, word: str) -> None:
        # The words first, so that whoever finds the decision finds them too.
        self._tell()
        self._folder.decide(word)

    def _tell(self) -> None:
        try:
            self._folder.tell(self._told)
        except OSError as error:
            # On a full disk the words are missing; the decision needs no space.
            sys.stderr.write(f"hold {self._plan.name}: {error}\n")

    def _time_to_run(self) -> float:
        """Return the seconds after which the run is ended, so that restoring ends within the limit."""
        return max(self._plan.limit / 2, self._plan.limit - restore_time(self._plan.place))

    def _why(self, status: int | None) -> str:
        if status == 0:
            return ""
        if status is None:
            return f"it was stopped: others may stand still for {self._plan.limit:g} s, restoring included"
        return f"killed by signal {-status}" if status < 0 else f"exit status {status}"


def restore_time(place: Place) -> float:
    """Return the seconds that restoring a database takes at most, on a machine that has time for it."""
    sizes = [0]
    for file in (place.live, place.saved):
        with contextlib.suppress(OSError):
            sizes.append(Path(file).stat().st_size)
    return RESTORE_FLOOR + max(sizes) / RESTORE_RATE


def _words(error: Exception) -> str:
    return error.happened if isinstance(error, LadingError) else str(error)
