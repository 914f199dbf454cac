"""SQLite through SQLAlchemy: two releases may write the same file while traffic moves from one to the other."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from cashback.models import Base

BUSY_TIMEOUT_MS = 10_000
POOL_SIZE = 40  # as many as FastAPI's threads, so that no request waits for a connection


class Database:
    """The database of one process."""

    def __init__(self, url: str) -> None:
        self.file = make_url(url).database
        if not url.startswith("sqlite") or not self.file or self.file == ":memory:":
            raise SystemExit("cashback: DATABASE_URL must name an SQLite file, such as sqlite:////srv/cashback.db")
        self.engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=0)
        self._turn = threading.Lock()
        event.listen(self.engine, "connect", _set_up)
        event.listen(self.engine, "begin", _begin)

    def create_tables(self) -> None:
        """Create what is missing; several processes may do so at once."""
        with open(Path(f"{self.file}.lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _use_wal(self.engine)
            with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
                Base.metadata.create_all(connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session on one state of the database."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session that is committed at its end; other writers wait until then."""
        # The lock, because SQLite's own waiting sleeps for milliseconds; it is left for writers of other processes.
        with (
            self._turn,
            self.engine.connect().execution_options(writes=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def problem(self) -> str | None:
        """Return why no request could be served from it now, None when one could."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
                return _missing(connection)
        except SQLAlchemyError as error:
            return f"unreachable ({type(error).__name__})"


def _use_wal(engine: Engine) -> None:
    # On the bare connection, because the mode cannot change inside a transaction.
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()


def _missing(connection: Connection) -> str | None:
    there = {row[0] for row in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'"))}
    missing = sorted(set(Base.metadata.tables) - there)
    return f"tables are missing: {', '.join(missing)}" if missing else None


def _set_up(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by itself, and never one that is to write from its start.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    # A transaction that reads first and then writes fails at once when another wrote in between: no timeout helps it.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def database_from(url: str) -> Database:
    """Open the database and create its tables."""
    database = Database(url)
    database.create_tables()
    return database
