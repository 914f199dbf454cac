"""The Journal port's promises, on every adapter."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lading.journal import SqliteJournal
from lading.ports.journal import Journal
from lading.ports.journal.conformance import JournalConformance
from lading.ports.journal.memory import MemoryJournal


class TestMemoryJournal(JournalConformance):
    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal()


class TestSqliteJournal(JournalConformance):
    @pytest.fixture
    def journal(self, tmp_path: Path) -> Iterator[SqliteJournal]:
        with ExitStack() as self.opened:
            yield self.open(tmp_path / "journal.db")

    def open(self, path: Path) -> SqliteJournal:
        journal = SqliteJournal(path)
        self.opened.callback(journal.close)
        return journal

    def again(self, journal: Journal) -> SqliteJournal:
        assert isinstance(journal, SqliteJournal)
        journal.close()
        return self.open(journal.path)
