"""What is known of instances on disk, written so that a crash at any moment leaves the old or the new.

A folder a name: ``record.json`` (replaced in one act, on disk before a process is started), ``lock`` (held by the
keeper as long as it lives), and per attempt ``N.pid`` and ``N.exit``, which the keeper writes. No record holds an
environment variable or a secret.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from lading.model import typed
from lading.model.errors import LadingError
from lading.runtime.process.identity import Process, boot_id, is_alive, parse_stat

POLL = 0.001  # seconds between two looks at a file that a keeper is about to write
STARTING = 5.0  # seconds within which a keeper that lives has noted its program, unless the machine stands still
NOTING = 1.0  # seconds a keeper may take to note the exit status after its program has ended


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What must be known of an instance or a run to find, judge and end it without the agent that started it.

    ``attempt`` counts the starts under this name. ``boot`` is the boot it was started in, ``cgroups`` the directories
    it joined, ``limits`` what is in force in words, ``outputs`` the directory of a run's files; ``kept`` says that
    it stays until somebody drops it.
    """

    name: str
    marker: str
    attempt: int
    started: float
    boot: str
    port: int | None = None
    stop_signal: str = "SIGTERM"
    cgroups: tuple[str, ...] = ()
    limits: str = ""
    outputs: str = ""
    kept: bool = False


class Records:
    """The records below one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._boot = boot_id()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def boot(self) -> str:
        """The id of this boot."""
        return self._boot

    def folder(self, name: str) -> Path:
        """Return the folder of a name, whatever characters the name has."""
        return self._directory / file_name(name)

    def names(self) -> list[str]:
        """Return the names that have a record, sorted."""
        return sorted(unquote(path.parent.name) for path in self._directory.glob("*/record.json"))

    def all(self) -> Iterator[Record]:
        """Yield all records by name."""
        for name in self.names():
            record = self.read(name)
            if record is not None:
                yield record

    def read(self, name: str) -> Record | None:
        """Return a name's record; None when there is none."""
        path = self.folder(name) / "record.json"
        try:
            return typed.decode(path.read_bytes(), Record)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise LadingError(
                "unexpected",
                doing=f"reading what is known of {name}",
                happened=f"{path} is damaged: {error}",
                now="whatever runs under that name keeps running",
                hint=f"find it by LADING_INSTANCE={name} in /proc/PID/environ, end it, then remove {path.parent}",
            ) from error

    def write(self, record: Record) -> None:
        """Put a record on disk, whole, in place of the name's former one; its folder must be there."""
        folder = self.folder(record.name)
        draft = folder / "record.draft"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / "record.json")
        sync_directory(folder)
        for leftover in folder.glob("[0-9]*.*"):
            if leftover.name.partition(".")[0] != str(record.attempt):
                leftover.unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Remove all that is known of a name; the record goes first, so that half a removal is a removal."""
        folder = self.folder(name)
        (folder / "record.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    # the lock

    def try_lock(self, name: str) -> int | None:
        """Take a name's lock and return it open; None while a start is under way or a keeper lives."""
        folder = self.folder(name)
        folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd

    def is_locked(self, name: str) -> bool:
        """Tell whether a start is under way or a keeper lives."""
        if not (self.folder(name) / "lock").exists():
            return False
        fd = self.try_lock(name)
        if fd is None:
            return True
        os.close(fd)
        return False

    # what the keeper notes

    def process(self, record: Record, *, waiting: bool = True) -> Process | None:
        """Return the process of a record's attempt as its keeper noted it, running or not; None before it did.

        While the start is under way, wait for the note; who holds the lock knows that there is nothing to wait for.
        """
        deadline = time.monotonic() + STARTING
        while (process := self._noted(record)) is None:
            # Look once more after the lock was found free: the note may have come in between.
            if not waiting or not self.is_locked(record.name):
                return self._noted(record)
            if time.monotonic() >= deadline:
                return None
            time.sleep(POLL)
        return process

    def _noted(self, record: Record) -> Process | None:
        stat = parse_stat(_text(self.folder(record.name) / f"{record.attempt}.pid"))
        return stat.process if stat is not None else None

    def running(self, record: Record, *, waiting: bool = True) -> Process | None:
        """Return a record's process if it runs now."""
        if record.boot != self._boot:
            return None
        process = self.process(record, waiting=waiting)
        return process if process is not None and is_alive(process) else None

    def exit_status(self, record: Record) -> int | None:
        """Return how a record's attempt ended, negative for a signal, waiting for a keeper that is about to note it.

        None where nobody noted it: the machine went down, the keeper was killed too, or it never came to run.
        """
        self.await_keeper(record)
        text = _text(self._end(record)).strip()
        return _as_status(int(text)) if text.isdigit() else None

    def ended_at(self, record: Record) -> float:
        """Return when the end of a record's attempt was noted, now where nobody noted it (seconds since the epoch)."""
        try:
            return self._end(record).stat().st_mtime
        except FileNotFoundError:
            return time.time()

    def await_keeper(self, record: Record) -> None:
        """Wait until a keeper whose program has ended has noted the end; at once where there is no keeper."""
        deadline = time.monotonic() + NOTING
        while not _text(self._end(record)).endswith("\n"):
            if record.boot != self._boot or not self.is_locked(record.name) or time.monotonic() >= deadline:
                break
            time.sleep(POLL)

    def _end(self, record: Record) -> Path:
        return self.folder(record.name) / f"{record.attempt}.exit"


def _as_status(code: int) -> int:
    # A shell reports "killed by signal N" as 128 + N.
    return 128 - code if 128 < code <= 128 + 64 else code


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def file_name(name: str) -> str:
    """Return a name as one file name: harmless characters stay, others are written as ``%XX``."""
    quoted = quote(name, safe="")
    return "%2E" + quoted[1:] if quoted.startswith(".") else quoted


def sync_directory(directory: Path) -> None:
    """Put a directory's entries on disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
