"""One SQLite database while it is migrated: kept safe as it was, and put back from that.

The copy is files: the database's own and its write-ahead log, byte by byte, made while nobody writes. A first pass is
made beforehand, so that only what differs by then has to be written within the hold.

``restore`` goes through SQLite: the copy is written into the live file as one transaction, so the file stays the one
that frozen programs hold open, and their locks and caches keep their meaning.
"""

import sqlite3
import stat
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from lading.data import pages
from lading.model.errors import LadingError
from lading.ports.database import Custody, Place

COMPANIONS = ("-wal", "-shm", "-journal")
ABSENT = "absent"  # stands in the copy's place where there was no database yet
RESTORE_WAIT = 5.0  # seconds a restore waits for locks: nobody should hold one
ASKING = 0.001  # seconds between two tries of taking the write lock
PAUSE = 0.005  # seconds between two tries of a restore that found a lock


def custody_of(place: Place) -> Custody:
    """Return the custody of a database by its engine."""
    if place.engine != "sqlite":
        raise ValueError(f"no custody of engine {place.engine}")
    return SqliteCustody(Path(place.live), Path(place.saved))


class SqliteCustody:
    """``live`` is the database's file, ``saved`` that of its copy, in a directory of its own that is private."""

    def __init__(self, live: Path, saved: Path) -> None:
        self._live = live
        self._saved = saved
        self._absent = saved.with_name(ABSENT)
        # A second name of the very file, which outlives a migration that puts another one in its place.
        self._same = saved.with_name("same")
        self._stack: ExitStack | None = None
        self._was_there = False

    def prepare(self) -> None:
        """Copy the database while it is used; what differs by the time it is saved is found then."""
        self._saved.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_there(self._live):
            # Perhaps torn, as it is read while others write: a first pass, so that the one that counts is short.
            with pages.opened(self._live) as live:
                pages.copy_to(live, self._saved)

    @contextmanager
    def writing_shut(self, seconds: float) -> Iterator[None]:
        """Hold SQLite's write lock; without a write-ahead log also every other one, since readers hold locks then."""
        with ExitStack() as stack:
            # Files are opened on this stack, below the connection: closing one drops this process's locks on it.
            self._stack = stack.enter_context(ExitStack())
            self._was_there = is_there(self._live)
            if self._was_there:
                connection = stack.enter_context(closing(self._connect(0.0)))
                mode = self._mode(connection, seconds)
                self._shut(connection, "IMMEDIATE" if mode == "wal" else "EXCLUSIVE", seconds)
                stack.callback(connection.rollback)
            yield

    def _mode(self, connection: sqlite3.Connection, seconds: float) -> str:
        connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        connection.execute("PRAGMA busy_timeout = 0")
        return mode

    def _shut(self, connection: sqlite3.Connection, kind: str, seconds: float) -> None:
        # Asked again at short intervals: the library's own pauses grow, and a busy writer leaves short gaps only.
        deadline = time.monotonic() + seconds
        while (error := _begin(connection, kind)) is not None:
            if time.monotonic() < deadline:
                time.sleep(ASKING)
                continue
            raise LadingError(
                "database-failed",
                doing=f"taking {self._live} into custody",
                happened=f"no moment without a writer was found within {seconds:g} s: {error}",
                now="nothing was frozen or changed",
                hint="let the program keep its transactions short",
            ) from error

    def save(self, seconds: float) -> None:
        """Make the copy the database's bytes of now, on disk."""
        if self._stack is None:
            raise RuntimeError("saved while somebody may write")
        deadline = time.monotonic() + seconds
        if not self._was_there:
            if is_there(self._live):
                raise LadingError("database-failed", happened=f"{self._live} came to be this very moment")
            self._absent.touch(mode=0o600)
            pages.flush_directory(self._saved.parent)
            return
        self._save_file(self._stack.enter_context(pages.opened(self._live)), self._saved, deadline)
        self._save_log(deadline)
        self._same.unlink(missing_ok=True)
        self._same.hardlink_to(self._live)
        for companion in ("-shm", "-journal"):
            beside(self._saved, companion).unlink(missing_ok=True)
        pages.flush_directory(self._saved.parent)

    def _save_file(self, source: int, target: Path, deadline: float) -> None:
        try:
            pages.copy_to(source, target, deadline)
        except TimeoutError as error:
            raise LadingError(
                "database-failed",
                doing=f"saving {self._live}",
                happened="it is too large to be saved within half of the time that requests may wait",
                now="it was not touched",
                hint='strategy = { hold = "…" } in the environment, or migrate by hand while nothing serves',
            ) from error

    def _save_log(self, deadline: float) -> None:
        try:
            with pages.opened(beside(self._live, "-wal")) as log:
                self._save_file(log, beside(self._saved, "-wal"), deadline)
        except FileNotFoundError:
            beside(self._saved, "-wal").unlink(missing_ok=True)

    def restore(self) -> None:
        """Write the copy into the live file, or remove that where there was none."""
        try:
            if self._absent.exists():
                for companion in ("", *COMPANIONS):
                    beside(self._live, companion).unlink(missing_ok=True)
                pages.flush_directory(self._live.parent)
                return
            self._put_file_back()
            with closing(sqlite3.connect(self._saved)) as saved, closing(self._connect(RESTORE_WAIT)) as live:
                _copy(saved, live, RESTORE_WAIT)
            self._flush()
        except sqlite3.Error as error:
            raise LadingError(
                "database-failed",
                doing=f"restoring {self._live}",
                happened=str(error),
                now=f"the copy from before is {self._saved}",
                hint=f"stop the program, then copy {self._saved} and what lies beside it over {self._live}",
            ) from error

    def _put_file_back(self) -> None:
        """See that the file is the one that programs hold open."""
        if self._same.exists() and not (is_there(self._live) and self._live.samefile(self._same)):
            for companion in COMPANIONS:
                beside(self._live, companion).unlink(missing_ok=True)
            again = beside(self._same, "-again")
            again.unlink(missing_ok=True)
            again.hardlink_to(self._same)
            again.replace(self._live)

    def secure(self) -> None:
        """Put the database's files on disk; raise when the migration put another file in the database's place."""
        if self._same.exists() and not (is_there(self._live) and self._live.samefile(self._same)):
            raise replaced(self._live)
        self._flush()

    def _flush(self) -> None:
        for companion in ("", "-wal"):
            pages.flush(beside(self._live, companion))
        pages.flush_directory(self._live.parent)

    def _connect(self, seconds: float) -> sqlite3.Connection:
        return sqlite3.connect(uri_of(self._live, "rwc"), uri=True, timeout=seconds, isolation_level=None)


def _begin(connection: sqlite3.Connection, kind: str) -> sqlite3.OperationalError | None:
    """Begin a transaction; return the error when somebody else is within one."""
    try:
        connection.execute(f"BEGIN {kind}")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise
        return error
    return None


def replaced(live: Path) -> LadingError:
    """Return the error of a migration that programs would not see, for they hold the former file open."""
    return LadingError(
        "database-failed",
        doing=f"migrating {live}",
        happened="the migration put another file in the database's place, which programs that run would not see",
        hint="let it change the database in place: VACUUM, not VACUUM INTO and a new name",
    )


def beside(path: Path, companion: str) -> Path:
    """Return the file beside a database's that SQLite names so."""
    return path.with_name(path.name + companion)


def uri_of(path: Path, mode: str) -> str:
    """Return the URI by which SQLite opens a file in a mode of its own (``ro``, ``rw``, ``rwc``)."""
    return f"file:{urllib.parse.quote(str(path))}?mode={mode}"


def is_there(path: Path) -> bool:
    """Tell whether a database's file is there; raise ``database-failed`` when that is a link or no file at all."""
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(facts.st_mode):
        # Programs may put there what they like, and whoever follows it may be root.
        raise LadingError("database-failed", doing=f"opening {path}", happened="it is no plain file")
    return True


def copy_online(live: Path, copy: Path) -> None:
    """Copy a database while it is used, as it is at one moment, and put the copy on disk."""
    draft = beside(copy, "-draft")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(uri_of(live, "rw"), uri=True)) as source, closing(sqlite3.connect(draft)) as target:
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        _copy(source, target, RESTORE_WAIT)
    for companion in COMPANIONS:
        beside(draft, companion).unlink(missing_ok=True)
    pages.flush(draft)
    draft.replace(copy)
    pages.flush_directory(copy.parent)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, seconds: float) -> None:
    """Copy all pages in one step; a lock is waited for, but not for ever as the library would."""
    deadline = time.monotonic() + seconds

    def look(status: int, _left: int, _all: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise sqlite3.OperationalError("it is locked")

    source.backup(target, pages=-1, progress=look, sleep=PAUSE)
