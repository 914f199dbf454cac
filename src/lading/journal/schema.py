"""The journal's tables, and the way from every earlier version of them to this one."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import NamedTuple

from lading.model.errors import LadingError


class Migration(NamedTuple):
    """One numbered file of ``migrations/``: the version it brings the tables to, and its statements."""

    version: int
    name: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """Return the migrations this version of Lading knows, in order."""
    found = []
    for entry in files("lading.journal").joinpath("migrations").iterdir():
        if number := re.match(r"(\d{4})_\w+\.sql$", entry.name):
            found.append(Migration(int(number[1]), entry.name, entry.read_text("utf-8")))
    return tuple(sorted(found))


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the tables in a file, 0 for an empty one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def refuse_foreign(connection: sqlite3.Connection, path: str, known: Sequence[Migration]) -> None:
    """Raise ``journal`` for a file of a newer Lading, and for a database that is no journal; write nothing."""
    # In this order: who makes the tables just now sets the version in the same commit.
    tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    version = version_of(connection)
    newest = known[-1].version
    if version > newest:
        raise LadingError(
            "journal",
            doing=f"opening the journal {path}",
            happened=f"its tables have version {version}, and this Lading knows versions up to {newest}",
            now="the journal was not touched; instances and router keep serving",
            hint="start the agent with the newer Lading that wrote it",
        )
    if version == 0 and tables:
        raise LadingError(
            "journal",
            doing=f"opening the journal {path}",
            happened="the file is a database of another program",
            now="the file was not touched",
            hint="set LADING_HOME to a directory of Lading's own",
        )


def migrate(connection: sqlite3.Connection, known: Sequence[Migration]) -> int:
    """Bring the tables up to date inside the caller's transaction and return how many migrations ran."""
    pending = [migration for migration in known if migration.version > version_of(connection)]
    for migration in pending:
        # Not executescript: it would commit the transaction that makes the upgrade all or nothing.
        for statement in statements(migration.sql):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {migration.version:d}")
    return len(pending)


def statements(sql: str) -> Iterator[str]:
    """Split SQL text into its statements; triggers stay whole."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
