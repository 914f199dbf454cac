"""This version reads the journals of every released version, half-done rollout and all."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import lading
from lading.journal import SqliteJournal
from lading.journal.schema import migrations
from lading.model.rollout import Rollout
from tests.upgrade.fixtures import all_fixtures, dump, restore

FIXTURES = all_fixtures()


@pytest.fixture(params=FIXTURES, ids=lambda fixture: fixture.stem)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    restore(request.param, tmp_path / "journal.db")
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    with closing(SqliteJournal(path)) as journal:
        yield journal


def half_done(journal: SqliteJournal) -> Rollout:
    (rollout,) = journal.unfinished()
    return rollout


def test_this_version_has_left_its_journal() -> None:
    """Each version's journal is among the fixtures before it is released."""
    assert f"v{lading.__version__}" in [fixture.stem for fixture in FIXTURES]


def test_it_is_brought_up_to_date_and_sound(journal: SqliteJournal, path: Path) -> None:
    """Opening an old journal gives it today's tables, and it is sound."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations()[-1].version,)
    assert journal.problems() == ()


def test_nothing_in_it_is_lost(path: Path) -> None:
    """Every entry that was there is there after the upgrade; only more may be."""
    before = counts(path)
    SqliteJournal(path).close()
    after = counts(path)
    assert {table: after.get(table, 0) for table in before if after.get(table, 0) < before[table]} == {}
    assert before["rollouts"] == 2


def counts(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_the_half_done_rollout_is_understood(journal: SqliteJournal) -> None:
    """Plan, marks and record of the rollout that was under way are what recovery needs: an intent without outcome."""
    rollout = half_done(journal)
    last = journal.marks(rollout.id)[-1]
    assert (last.phase, last.direction, rollout.plan.steps[last.step].kind) == ("intent", "forward", "cutover")
    record = journal.environment(rollout.project, rollout.environment)
    assert record is not None
    assert record.serving is not None
    assert (record.serving.release.version, rollout.plan.release) == ("v1.0.0", "v1.1.0")
    assert [event.seq for event in journal.events(rollout.id)] == list(range(1, len(journal.events(rollout.id)) + 1))


def test_everything_else_in_it_is_understood(journal: SqliteJournal) -> None:
    """Releases, bills, trust, policy, audit and nonces of an old journal still count."""
    rollout = half_done(journal)
    versions = [release.version for release in journal.releases(rollout.project)]
    assert versions == ["v1.1.0", "v1.0.0"]
    first = journal.rollout(1)
    assert first is not None
    assert first.outcome == "succeeded"
    assert journal.statements(first.plan.digest)
    assert [key.fingerprint for key in journal.trusted()] == ["SHA256:abc"]
    policy = journal.policy(rollout.project, rollout.environment)
    assert policy is not None
    assert policy.approvals == 1
    assert [audit.who for audit in journal.audits()] == ["anna"]
    assert journal.take_nonce("n1", 1.0)


def test_it_can_be_written_on(journal: SqliteJournal) -> None:
    """The old rollout can be ended, and then the environment takes the next one under the next number."""
    old = half_done(journal)
    journal.finish(old.id, "unwound", at=1.0, error=None, lost_requests=0, requests=0, record=None)
    given = {"project": old.project, "environment": old.environment, "kind": "deploy", "requested_by": "anna"}
    assert journal.begin(**given, at=2.0, plan=lambda _: old.plan).id == old.id + 1


def test_a_fixture_is_text_that_restores_itself(tmp_path: Path) -> None:
    """A dumped journal restores to the same dump, the version of its tables included."""
    SqliteJournal(tmp_path / "a.db").close()
    (tmp_path / "a.sql").write_text(dump(tmp_path / "a.db"))
    restore(tmp_path / "a.sql", tmp_path / "b.db")
    assert dump(tmp_path / "b.db") == dump(tmp_path / "a.db")
