"""Journals that earlier versions left behind, as SQL text."""

import sqlite3
from contextlib import closing
from pathlib import Path

JOURNALS = Path(__file__).parent / "journals"


def all_fixtures() -> list[Path]:
    """Return the journal of each released version, oldest first by name."""
    return sorted(JOURNALS.glob("*.sql"))


def restore(fixture: Path, path: Path) -> None:
    """Make a journal file at ``path`` from a fixture."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(fixture.read_text("utf-8"))


def dump(path: Path) -> str:
    """Return a journal file as SQL text, the version of its tables included."""
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return "\n".join([*connection.iterdump(), f"PRAGMA user_version = {version};", ""])
