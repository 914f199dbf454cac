"""Memos and their scores in an SQLite file, which the API writes to and the scorer works through."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TABLE = """
CREATE TABLE IF NOT EXISTS memos (
    id        INTEGER PRIMARY KEY,
    title     TEXT NOT NULL,
    text      TEXT NOT NULL,
    visitor   TEXT NOT NULL,
    state     TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'scored', 'failed')),
    result    TEXT NOT NULL DEFAULT '{}'
)
"""
BUSY = 5.0  # seconds to wait for the other program's write


class Database:
    """One SQLite file, opened anew for each use: several programs work on it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._open() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(TABLE)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=BUSY)
        connection.row_factory = sqlite3.Row
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def check(self) -> None:
        """Raise sqlite3.Error unless the memos can be read."""
        with self._open() as connection:
            connection.execute("SELECT 1 FROM memos LIMIT 1").fetchone()

    def add(self, title: str, text: str, visitor: str) -> int:
        """Add a memo that waits for its score, and return its number."""
        with self._open() as connection:
            cursor = connection.execute(
                "INSERT INTO memos (title, text, visitor) VALUES (?, ?, ?)", (title, text, visitor)
            )
            return int(cursor.lastrowid or 0)

    def get(self, number: int) -> dict[str, Any] | None:
        """Return a memo with its score, None when there is none of that number."""
        with self._open() as connection:
            row = connection.execute("SELECT * FROM memos WHERE id = ?", (number,)).fetchone()
        return _plain(row) if row is not None else None

    def newest(self, limit: int = 50) -> list[dict[str, Any]]:
        """Return the newest memos, the newest first."""
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM memos ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
        return [_plain(row) for row in rows]

    def waiting(self) -> dict[str, Any] | None:
        """Return the memo that has waited longest."""
        with self._open() as connection:
            row = connection.execute("SELECT * FROM memos WHERE state = 'waiting' ORDER BY id LIMIT 1").fetchone()
        return _plain(row) if row is not None else None

    def note(self, number: int, state: str, result: dict[str, Any]) -> None:
        """Note a memo's score, or why it has none."""
        with self._open() as connection:
            connection.execute(
                "UPDATE memos SET state = ?, result = ? WHERE id = ?", (state, json.dumps(result), number)
            )

    def last_scored(self) -> int:
        """Return the number of the newest memo that is scored, 0 when none is."""
        with self._open() as connection:
            row = connection.execute("SELECT max(id) FROM memos WHERE state = 'scored'").fetchone()
        return int(row[0] or 0)


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    known = {name: row[name] for name in ("id", "title", "text", "visitor", "state")}
    return known | json.loads(row["result"])
