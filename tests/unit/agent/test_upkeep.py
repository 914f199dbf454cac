"""The journal does not grow without end, and there is a copy of it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from lading.agent import upkeep
from lading.agent.upkeep import COPY_AGE, EVERY, FIRST_AFTER, JournalUpkeep
from lading.journal.sqlite import SqliteJournal
from lading.ports.clock.memory import MemoryClock
from lading.ports.journal.job_conformance import opening
from tests.recovery.house import House


def test_events_are_pruned_and_the_journal_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hour the oldest events go and once a day the journal is copied; rollouts and their marks stay."""
    monkeypatch.setattr(upkeep, "KEPT_EVENTS", 30)
    journal, copy, clock = SqliteJournal(tmp_path / "journal.db"), tmp_path / "journal.copy.db", MemoryClock()
    house = House.build(journal)
    rollouts = [house.deploy(f"v1.{minor}.0").id for minor in range(4)]
    chore = JournalUpkeep(journal, copy, clock)
    chore()
    assert not copy.exists()
    clock.advance(FIRST_AFTER)
    chore()
    assert sum(len(journal.events(number)) for number in rollouts) == 30
    assert all(journal.marks(number) for number in rollouts)
    with closing(sqlite3.connect(copy)) as copied:
        assert copied.execute("SELECT count(*) FROM rollouts").fetchone() == (4,)


def test_the_history_of_runs_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest runs of each job go, but none that goes on or whose files are kept; numbers are not used again."""
    monkeypatch.setattr(upkeep, "KEPT_RUNS", 3)
    journal, clock = SqliteJournal(tmp_path / "journal.db"), MemoryClock()
    for _ in range(4):
        journal.open_run(opening("report"))
    for _ in range(6):
        journal.open_run(opening("settle"))
    for number, changes in {
        5: {"ending": "succeeded", "kept": False},
        6: {"ending": "succeeded"},
        7: {"ending": "missed"},
        8: {"ending": "succeeded", "kept": False},
    }.items():
        journal.change_run(number, lambda run, changes=changes: msgspec.structs.replace(run, **changes))  # type: ignore[misc]
    chore = JournalUpkeep(journal, tmp_path / "copy.db", clock)
    clock.advance(FIRST_AFTER)
    chore()
    assert [run.id for run in journal.runs(job="settle")] == [10, 9, 8, 6]
    assert [run.id for run in journal.runs(job="report")] == [4, 3, 2, 1]
    assert journal.open_run(opening("settle")).id == 11


def test_the_copy_is_made_anew_once_a_day(tmp_path: Path) -> None:
    """A copy younger than a day stays; an older one, and one from before the clock was set back, is replaced."""
    journal, copy, clock = SqliteJournal(tmp_path / "journal.db"), tmp_path / "journal.copy.db", MemoryClock()
    wall = [0.0]
    chore = JournalUpkeep(journal, copy, clock, lambda: wall[0])
    made = []
    for age in (0.0, COPY_AGE / 2, COPY_AGE * 2, -COPY_AGE):
        clock.advance(EVERY)
        before = copy.stat().st_ino if copy.exists() else 0
        if before:
            os.utime(copy, (1e6, 1e6))
        wall[0] = 1e6 + age
        chore()
        made.append(copy.stat().st_ino != before)
    assert made == [True, False, True, True]
