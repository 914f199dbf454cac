"""The file under the SQLite journal: whom it lets in, what it survives, how it is looked after."""

import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lading.journal import SqliteJournal
from lading.journal.file import explain, reached
from lading.journal.schema import Migration, migrations
from lading.model.errors import LadingError
from lading.model.rollout import Event
from lading.ports.journal.samples import PROJECT, plan, record, release
from lading.ports.journal.trials import AT, begin, finish, mark

NEWEST = migrations()[-1].version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(path)) as journal:
        yield journal


def sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def refusal(path: Path, known: tuple[Migration, ...] | None = None) -> LadingError:
    with pytest.raises(LadingError) as caught:
        SqliteJournal(path, known).close()
    return caught.value


class TestOpening:
    def test_only_the_owner_can_read_it(self, journal: SqliteJournal, path: Path) -> None:
        """The journal and the files SQLite puts beside it are readable by their owner only."""
        journal.add_release(release())
        assert {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()} == {
            "journal.db": 0o600,
            "journal.db-wal": 0o600,
            "journal.db-shm": 0o600,
        }

    def test_a_commit_is_fully_synced(self, journal: SqliteJournal) -> None:
        """WAL with a full sync at every commit: what was promised outlives a power cut."""
        assert journal._rows("PRAGMA journal_mode") == [("wal",)]
        assert journal._rows("PRAGMA synchronous") == [(2,)]

    def test_a_newer_journal_is_refused_untouched(self, journal: SqliteJournal, path: Path) -> None:
        """Code that does not know a journal's tables says so and writes nothing to it."""
        journal.close()
        sql(path, "PRAGMA user_version = 99")
        before = path.read_bytes()
        error = refusal(path)
        assert (error.code, "version 99" in str(error), str(path) in str(error)) == ("journal", True, True)
        assert path.read_bytes() == before

    def test_another_programs_database_is_refused_untouched(self, tmp_path: Path) -> None:
        """A database with tables that are not the journal's is left alone."""
        other = tmp_path / "other.db"
        sql(other, "CREATE TABLE customers (name TEXT)")
        before = other.read_bytes()
        assert (refusal(other).code, other.read_bytes()) == ("journal", before)

    def test_a_damaged_file_is_named(self, tmp_path: Path) -> None:
        """A file that is no database is named in the error, with the way back."""
        bad = tmp_path / "bad.db"
        bad.write_bytes(b"not a database" * 100)
        error = refusal(bad)
        assert (error.code, str(bad) in error.doing, "backup" in error.hint) == ("journal", True, True)

    def test_a_place_that_cannot_hold_it_is_named(self, tmp_path: Path) -> None:
        """A directory that is none is an error with its path, not a traceback."""
        (tmp_path / "file").write_text("")
        assert str(tmp_path / "file") in str(refusal(tmp_path / "file" / "journal.db"))

    def test_an_upgrade_is_all_or_nothing(self, journal: SqliteJournal, path: Path) -> None:
        """When the last of several new migrations fails, none of them has happened, and the old code still opens it."""
        journal.add_release(release())
        journal.close()
        newest = migrations()[-1].version
        good = Migration(newest + 1, "good.sql", "CREATE TABLE more (x);\n-- a remark\nINSERT INTO more VALUES (1);")
        error = refusal(path, (*migrations(), good, Migration(newest + 2, "bad.sql", "CREATE TABLE more (x);")))
        assert "already exists" in str(error)
        assert sql(path, "PRAGMA user_version") == [(newest,)]
        assert sql(path, "SELECT name FROM sqlite_master WHERE name = 'more'") == []
        with closing(SqliteJournal(path, (*migrations(), good))) as upgraded:
            assert upgraded.releases() == [release()]
        assert sql(path, "SELECT x FROM more") == [(1,)]
        assert f"version {newest + 1}" in str(refusal(path))

    def test_a_trigger_in_a_migration_stays_whole(self, path: Path) -> None:
        """A statement with semicolons inside it is one statement."""
        trigger = "CREATE TRIGGER t AFTER INSERT ON audits BEGIN\n  DELETE FROM nonces;\n  SELECT 1;\nEND;\n"
        SqliteJournal(path, (*migrations(), Migration(NEWEST + 1, "0099_t.sql", trigger))).close()
        assert sql(path, "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'") == [(1,)]

    def test_several_may_create_it_at_once(self, path: Path) -> None:
        """Threads that open a journal that is not there yet, all at once, all get the same one."""
        barrier = threading.Barrier(4)
        failures: list[LadingError] = []

        def open_it() -> None:
            barrier.wait()
            try:
                SqliteJournal(path).close()
            except LadingError as error:
                failures.append(error)

        threads = [threading.Thread(target=open_it) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert sql(path, "PRAGMA user_version") == [(migrations()[-1].version,)]


class TestReading:
    def test_what_a_newer_version_added_is_passed_over(self, journal: SqliteJournal, path: Path) -> None:
        """A field this version does not know is no obstacle, in any kind of entry."""
        begin(journal)
        journal.save_environment(record())
        for table in ("rollouts", "plans", "environments"):
            sql(path, f"UPDATE {table} SET value = json_set(value, '$.later', json('[1]'))")
        rollout = journal.rollout(1)
        assert rollout is not None
        assert rollout.plan == plan(1)
        assert journal.environment(PROJECT, "stage") == record()

    def test_what_an_older_version_did_not_write_has_its_default(self, journal: SqliteJournal, path: Path) -> None:
        """A field that was added since has its default."""
        begin(journal)
        sql(path, "UPDATE rollouts SET value = json_remove(value, '$.cancel', '$.requests')")
        assert [(r.cancel, r.requests) for r in journal.rollouts()] == [("", 0)]

    def test_what_cannot_be_understood_is_said(self, journal: SqliteJournal, path: Path) -> None:
        """A step of a kind this version does not know is an error that says so; nothing is guessed."""
        begin(journal)
        sql(path, "UPDATE plans SET value = json_set(value, '$.steps[0].kind', 'teleport')")
        with pytest.raises(LadingError, match=r"does not understand.*teleport") as caught:
            journal.rollout(1)
        assert caught.value.code == "journal"

    def test_two_unfinished_rollouts_cannot_be_stored(self, journal: SqliteJournal, path: Path) -> None:
        """The file itself refuses a second unfinished rollout of an environment, whoever writes it."""
        begin(journal)
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            sql(path, "INSERT INTO rollouts (project, environment, value) VALUES ('cashback', 'stage', '{}')")


class TestFullDisk:
    def test_a_full_disk_is_named_and_survived(self, journal: SqliteJournal, path: Path) -> None:
        """No space: nothing of the write is kept, the error names the journal, and it works again once there is."""
        begin(journal)
        pages = journal._rows("PRAGMA page_count")[0][0]
        journal._rows(f"PRAGMA max_page_count = {pages}")

        def fill() -> None:
            for step in range(1000):
                journal.mark(1, mark(step, result={"text": "x" * 4000}), record())

        with pytest.raises(LadingError) as caught:
            fill()
        error = caught.value
        assert (error.code, error.exit_status) == ("no-space", 4)
        assert str(path) in str(error)
        written = len(journal.marks(1))
        assert [r.id for r in journal.unfinished()] == [1]
        journal._rows("PRAGMA max_page_count = 1000000")
        finish(journal, 1, record=record())
        assert (len(journal.marks(1)), journal.problems()) == (written, ())

    def test_a_write_the_system_refuses_is_named_and_survived(self, path: Path) -> None:
        """A write that fails below SQLite reads as no space too, and the process goes on."""
        program = """
import resource, signal, sys
from lading.journal import SqliteJournal
from lading.model.errors import LadingError
from lading.ports.journal.trials import begin, mark
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = SqliteJournal(sys.argv[1])
begin(journal)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    for step in range(1000):
        journal.mark(1, mark(step, result={"text": "x" * 2000}))
except LadingError as error:
    print(error.code, step == len(journal.marks(1)))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.mark(1, mark(step))
print(step + 1 == len(journal.marks(1)), journal.problems())
"""
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
        assert done.stdout.split("\n")[:2] == ["no-space True", "True ()"], done.stderr

    def test_each_error_has_its_code(self, tmp_path: Path) -> None:
        """A full quota is no space; a lock that does not end and all else are the journal's own trouble."""
        with pytest.raises(LadingError) as caught, reached("opening", tmp_path):
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        assert caught.value.code == "no-space"
        held = sqlite3.OperationalError("database is locked")
        held.sqlite_errorcode = sqlite3.SQLITE_BUSY
        assert (explain(held, "reading", tmp_path).code, explain(held, "x", tmp_path).hint[:4]) == ("journal", "find")
        assert explain(sqlite3.DatabaseError("malformed"), "reading", tmp_path).code == "journal"


class TestUpkeep:
    def test_damage_is_found(self, journal: SqliteJournal, path: Path) -> None:
        """A sound journal has no problems; a row whose rollout is gone is one."""
        begin(journal)
        journal.mark(1, mark(0))
        assert journal.problems() == ()
        sql(path, "DELETE FROM rollouts")
        assert any("marks" in problem for problem in journal.problems())

    def test_a_backup_is_one_sound_file(self, journal: SqliteJournal, tmp_path: Path) -> None:
        """A copy made while the journal is open holds all of it in one file and opens as a journal."""
        rollout = begin(journal)
        place = tmp_path / "copies"
        place.mkdir()
        copy = place / "journal.db"
        journal.backup_to(copy)
        assert [entry.name for entry in place.iterdir()] == ["journal.db"]
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        journal.mark(1, mark(0))
        with closing(SqliteJournal(copy)) as again:
            assert (again.unfinished(), again.marks(1)) == ([rollout], [])

    def test_a_journal_that_is_gone_is_not_backed_up_as_empty(self, journal: SqliteJournal, tmp_path: Path) -> None:
        """When the file was moved away under the journal, the copy fails, nothing half is left, the earlier stands."""
        copy = tmp_path / "copy.db"
        journal.backup_to(copy)
        before = copy.read_bytes()
        journal.path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(LadingError, match="unable to open") as caught:
            journal.backup_to(copy)
        assert caught.value.code == "journal"
        assert copy.read_bytes() == before
        assert not copy.with_name("copy.db.part").exists()

    def test_a_damaged_journal_does_not_replace_a_sound_copy(self, journal: SqliteJournal, tmp_path: Path) -> None:
        """A copy that does not pass its check never takes the name of an earlier one."""
        copy = tmp_path / "copy.db"
        begin(journal)
        journal.mark(1, mark(0))
        journal.backup_to(copy)
        before = copy.read_bytes()
        sql(journal.path, "DELETE FROM rollouts")
        with pytest.raises(LadingError, match="not sound"):
            journal.backup_to(copy)
        assert copy.read_bytes() == before

    def test_old_events_go_and_rollouts_stay(self, journal: SqliteJournal) -> None:
        """Pruning removes the oldest events beyond the count, never those of a rollout that is under way."""
        for name in ("stage", "local", "production"):
            number = begin(journal, name).id
            for _ in range(10):
                journal.append_event(Event(rollout=number, seq=0, at=AT, kind="progress"))
            journal.mark(number, mark(0))
        finish(journal, 2)
        finish(journal, 3)
        assert journal.prune_events(keep=5) == 15
        assert [len(journal.events(number)) for number in (1, 2, 3)] == [10, 0, 5]
        assert [len(journal.marks(number)) for number in (1, 2, 3)] == [1, 1, 1]
        assert journal.append_event(Event(rollout=2, seq=0, at=AT, kind="warning")).seq == 11
        assert journal.prune_events(keep=100) == 0


WRITER = """
import sys
from lading.journal import SqliteJournal
from lading.model.rollout import Event
from lading.ports.journal.samples import record
from lading.ports.journal.trials import AT, begin, finish, mark
journal = SqliteJournal(sys.argv[1])
acts = [
    lambda: journal.save_environment(record()),
    lambda: begin(journal),
    lambda: journal.mark(1, mark(0), record()),
    lambda: journal.append_event(Event(rollout=1, seq=0, at=AT, kind="plan")),
    lambda: journal.turn(1, "unwinding", {"code": "no-space"}),
    lambda: finish(journal, 1, "unwound", record=record()),
]
for number, act in enumerate(acts, 1):
    act()
    print(number, flush=True)
    sys.stdin.readline() if number == int(sys.argv[2]) else None
"""


def what_is_there(journal: SqliteJournal) -> int:
    """Return how many of the writer's acts the journal holds, in order."""
    rollout = journal.rollout(1)
    facts = [
        journal.environment(PROJECT, "stage") is not None,
        rollout is not None,
        len(journal.marks(1)) == 1,
        len(journal.events(1)) == 1,
        rollout is not None and rollout.direction == "unwinding",
        rollout is not None and rollout.outcome == "unwound",
    ]
    assert facts == sorted(facts, reverse=True)
    return sum(facts)


class TestDurability:
    @pytest.mark.parametrize("acts", range(1, 7))
    def test_what_was_written_survives_a_kill(self, path: Path, acts: int) -> None:
        """A writer killed right after any commit has lost none of what it was told is written."""
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(acts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            for _ in range(acts):
                assert writer.stdout.readline()
            os.kill(writer.pid, signal.SIGKILL)
        with closing(SqliteJournal(path)) as journal:
            assert what_is_there(journal) == acts
            assert journal.problems() == ()
