"""All examinations, in SQLite."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from clinic.examination import Examination

TABLES = """
CREATE TABLE IF NOT EXISTS examinations (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    patient TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    findings INTEGER NOT NULL,
    failed INTEGER NOT NULL
)
"""
BUSY = 10.0  # seconds to wait for another run that writes


class History:
    """The history in a file, made at first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(self._open()) as connection, connection:
            connection.execute(TABLES)

    def add(self, one: Examination) -> None:
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        with closing(self._open()) as connection, connection:
            connection.execute(
                "INSERT INTO examinations (at, patient, fingerprint, findings, failed) VALUES (?, ?, ?, ?, ?)",
                (now, one.patient, one.fingerprint, len(one.findings), len(one.failed)),
            )

    def latest(self, limit: int) -> list[tuple[str, str, int, int]]:
        with closing(self._open()) as connection:
            return connection.execute(
                "SELECT at, patient, findings, failed FROM examinations ORDER BY id DESC LIMIT ?", (limit,)
            ).fetchall()

    def count(self) -> int:
        with closing(self._open()) as connection:
            return int(connection.execute("SELECT count(*) FROM examinations").fetchone()[0])

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=BUSY)
