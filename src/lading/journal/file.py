"""The file under the journal: opening, transactions, and what its errors mean."""

import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lading.journal.schema import Migration, migrate, migrations, refuse_foreign
from lading.model import typed
from lading.model.errors import LadingError

T = TypeVar("T")

BUSY_TIMEOUT_SECONDS = 5.0
RETRY_PAUSE_SECONDS = 0.01
OWNER_ONLY = 0o600
CACHE_KIB = 256  # of pages kept in memory; the operating system keeps the whole small file anyway
DISK_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


class JournalFile:
    """One connection to one file, behind one lock.

    One locked connection and not one per thread: SQLite has one writer at a time anyway, a commit takes a fraction of a
    millisecond, and the agent's short-lived threads then leave no connection, cache or file descriptor behind.
    """

    def __init__(self, path: str | os.PathLike[str], known: Sequence[Migration] | None = None) -> None:
        self.path = Path(path)
        # Re-entrant, because the plan is made inside the transaction of begin and may read the journal.
        self._lock = threading.RLock()
        with self._explained("opening"), reached("opening", self.path):
            self._connection = _connect(self.path)
            try:
                self._prepare(known or migrations())
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file; what was written is on disk already."""
        with self._lock:
            self._connection.close()

    def _prepare(self, known: Sequence[Migration]) -> None:
        connection = self._connection
        refuse_foreign(connection, str(self.path), known)
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute("PRAGMA foreign_keys = ON")
        with self._transaction("upgrading"):
            # Asked again, because another process may have upgraded it between the first look and this lock.
            refuse_foreign(connection, str(self.path), known)
            migrate(connection, known)

    @contextmanager
    def _transaction(self, doing: str) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, on disk at the end; inside another one of this thread, become part of it."""
        with self._lock, self._explained(doing):
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                # Also after a COMMIT that failed: the next writer must find no open transaction.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._explained("reading"):
            return self._connection.execute(sql, values).fetchall()

    def _all(self, kind: type[T], sql: str, *values: Any) -> list[T]:
        """Return the values whose JSON stands in the first column of the rows."""
        return [self._decoded(kind, row[0]) for row in self._rows(sql, *values)]

    def _one(self, kind: type[T], sql: str, *values: Any) -> T | None:
        return next(iter(self._all(kind, sql, *values)), None)

    def _decoded(self, kind: type[T], text: str) -> T:
        try:
            return typed.decode(text, kind)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            raise LadingError(
                "journal",
                doing=f"reading an entry ({kind.__name__}) of the journal {self.path}",
                happened=f"this version of Lading does not understand it: {error}",
                now="the journal was not changed",
                hint="start the agent with the version of Lading that wrote it",
            ) from error

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, doing, self.path) from error


def text_of(value: Any) -> str:
    """Return the JSON of a value, as text so that the file can be read with any SQLite tool."""
    return msgspec.json.encode(value).decode()


def explain(error: sqlite3.Error, doing: str, path: Path) -> LadingError:
    """Return what an error of SQLite means: ``no-space`` for a full or failing disk, ``journal`` for all else."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in DISK_CODES:
        what = "is full" if code == sqlite3.SQLITE_FULL else "does not take the write, full or failing"
        return LadingError(
            "no-space",
            doing=f"{doing} the journal {path}",
            happened=f"the disk that holds it {what} ({error})",
            now="the journal holds all that was written before; nothing of this write was kept",
            hint=f"free space below {path.parent}; the agent goes on from the journal",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LadingError(
            "journal",
            doing=f"{doing} the journal {path}",
            happened=f"another program has held it for {BUSY_TIMEOUT_SECONDS:g} s",
            now="nothing was written",
            hint=f"find it with: fuser {path}",
        )
    return LadingError(
        "journal",
        doing=f"{doing} the journal {path}",
        happened=f"SQLite reports: {error}",
        now="instances and router keep serving; no rollout can start",
        hint="stop the agent, keep a copy of the file, and put its daily backup (journal.copy.db) in its place",
    )


@contextmanager
def reached(doing: str, path: Path) -> Iterator[None]:
    """Turn an error of the file system into ``no-space`` or ``journal``."""
    try:
        yield
    except OSError as error:
        raise LadingError(
            "no-space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "journal",
            doing=f"{doing} the journal {path}",
            happened=str(error),
            now="nothing was written",
            hint=f"see that {path.parent} is a directory this user can write to, with space left",
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite would create it with the umask's permissions; its WAL takes over those of the file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
    return sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; two processes that do so at once get "locked" at once, whatever the busy timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_PAUSE_SECONDS)
        else:
            return
