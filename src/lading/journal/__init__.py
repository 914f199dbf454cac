"""The journal on disk: one SQLite file that recovery believes."""

from lading.journal.sqlite import SqliteJournal

__all__ = ["SqliteJournal"]
