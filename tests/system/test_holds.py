"""A hold on the process runtime, with real programs on a real SQLite database: nothing acknowledged is ever lost."""

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lading.data.sqlite import SqliteDatabases
from lading.model.environment import InstanceSpec
from lading.model.manifest import Database
from lading.ports.runtime import Held, HeldResult, Run
from lading.runtime.process.identity import stat_of
from tests.processes import Processes, processes
from tests.support import until

pytestmark = pytest.mark.system

SQLITE = Database(engine="sqlite", env="DATABASE_URL")

# Writes a number in a transaction of its own, then says so: what was said must never be missing.
WRITER = """
import os, sqlite3, time
path = os.environ["DATABASE_URL"].split(":///")[1]
db = sqlite3.connect(path, isolation_level=None, timeout=30)
db.execute("PRAGMA journal_mode = " + os.environ["MODE"])
db.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, pad TEXT)")
while True:
    db.execute("BEGIN IMMEDIATE")
    number = db.execute("INSERT INTO rows (pad) VALUES (hex(randomblob(50)))").lastrowid
    db.execute("COMMIT")
    print(number, flush=True)
    time.sleep(0.002)
"""

# Statement by statement, each committed by itself, as tools do that have no transaction around DDL.
MIGRATION = """
import os, signal, sqlite3, sys, time
path = os.environ["DATABASE_URL"].split(":///")[1]
db = sqlite3.connect(path, isolation_level=None, timeout=5)
print("migrating", flush=True)
for number, statement in enumerate((
    "CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)",
    "ALTER TABLE rows ADD COLUMN extra TEXT DEFAULT 'new'",
    "UPDATE rows SET pad = 'changed'",
    "DELETE FROM rows WHERE id % 2 = 0",
    "INSERT INTO alembic_version VALUES ('9c41')",
)):
    db.execute(statement)
    if sys.argv[1:] == ["die", str(number)]:
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[1:] == ["hang", str(number)]:
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM rows")
        print("hanging", flush=True)
        time.sleep(600)
"""


class House:
    """A database below a process runtime's environment, its writers, and holds of it."""

    def __init__(self, world: Processes, mode: str) -> None:
        self.world = world
        self.mode = mode
        source = world.home / "layers" / "source"
        (source / "writer.py").write_text(WRITER)
        (source / "migration.py").write_text(MIGRATION)
        self.databases = SqliteDatabases(world.home / "runtime" / "environments")
        self.url = self.databases.provide("shop", "stage", "main", SQLITE)
        self.file = Path(self.url.split(":///")[1])

    def spec(self, name: str, command: str) -> InstanceSpec:
        return self.world.spec(
            name, port=None, command=command, databases={"DATABASE_URL": self.url}, env={"MODE": self.mode}
        )

    def write(self, *names: str) -> None:
        for name in names:
            self.world.runtime.start(self.spec(name, "python writer.py"), {})
            until(lambda name=name: self.said(name), within=10)  # type: ignore[misc]

    def said(self, *names: str) -> set[int]:
        found = set()
        for name in names:
            log = self.world.home / "runtime" / "logs" / f"{name}.log"
            lines = log.read_text().split("\n")[:-1] if log.exists() else []
            found |= {int(line) for line in lines if line.isdigit()}
        return found

    def held(self, words: str = "", *, limit: float = 10.0, name: str = "hold-1") -> Held:
        run = Run(name=name, spec=self.spec(name, f"python migration.py {words}"), timeout=limit)
        place = self.databases.custody("shop", "stage", "main", 1)
        return Held(name=name, run=run, place=place, limit=limit)

    def hold(self, words: str = "", *, limit: float = 10.0) -> HeldResult:
        return self.world.runtime.run_held(self.held(words, limit=limit), {})

    def rows(self) -> dict[int, str]:
        with closing(sqlite3.connect(self.file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return dict(connection.execute("SELECT id, pad FROM rows").fetchall())

    def columns(self) -> list[str]:
        with closing(sqlite3.connect(self.file)) as connection:
            return [row[1] for row in connection.execute("PRAGMA table_info(rows)")]

    def is_frozen(self, name: str) -> bool:
        state = self.world.runtime.look(name)
        stat = stat_of(state.pid) if state is not None else None
        return stat is not None and stat.state == "T"

    def stop(self, *names: str) -> None:
        for name in names:
            self.world.runtime.stop(name, grace=0.0)

    def assert_untouched(self, *writers: str) -> None:
        """Everything that was acknowledged is there, nothing of the migration is, and writers write on."""
        before = max(self.said(*writers))
        until(lambda: max(self.said(*writers)) > before + 10, within=10)
        self.stop(*writers)
        rows = self.rows()
        assert self.said(*writers) <= set(rows)
        assert "changed" not in rows.values()
        assert self.columns() == ["id", "pad"]
        assert self.databases.revision("shop", "stage", "main") == ()


@pytest.fixture(params=["wal", "delete"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    options = {"guard": (sys.executable, "-m", "lading.agent.guard")}
    with processes(**options) as world:
        yield House(world, request.param)


def test_a_migration_that_goes_well_stands(house: House) -> None:
    """What the migration did stands, everything acknowledged before and after is there, and writers go on."""
    house.write("one", "two")
    before = house.said("one", "two")
    result = house.hold()
    assert (result.outcome, result.exit_status) == ("kept", 0)
    assert "migrating" in result.output
    assert 0 < result.held < 5
    last = max(before)
    until(lambda: max(house.said("one", "two")) > last + 20, within=10)
    house.stop("one", "two")
    rows = house.rows()
    assert house.columns() == ["id", "pad", "extra"]
    assert house.databases.revision("shop", "stage", "main") == ("9c41",)
    migrated = {number for number, pad in rows.items() if pad == "changed"}
    assert all(number % 2 for number in migrated)
    assert {number for number in house.said("one", "two") if number % 2} <= set(rows)


@pytest.mark.parametrize("statement", range(5))
def test_a_migration_killed_at_any_statement_leaves_the_old(house: House, statement: int) -> None:
    """However far it came, the database is as it was, with everything that was acknowledged."""
    house.write("one", "two")
    result = house.hold(f"die {statement}")
    assert (result.outcome, result.exit_status) == ("restored", -9)
    house.assert_untouched("one", "two")


def test_a_migration_that_takes_too_long_is_ended(house: House) -> None:
    """At the limit the migration is killed in the middle of a transaction; nobody stands still for longer."""
    house.write("one")
    result = house.hold("hang 3", limit=2.0)
    assert (result.outcome, result.exit_status) == ("restored", None)
    assert result.held < 2.0
    assert "hanging" in result.output
    house.assert_untouched("one")


def test_a_first_database_that_fails_leaves_nothing(house: House) -> None:
    """Where there was no database before, none is there after a migration that failed."""
    result = house.hold("die 0")
    assert result.outcome == "restored"
    assert list(house.file.parent.iterdir()) == []


def _guard_of(house: House, name: str = "hold-1") -> int:
    lock = house.world.home / "runtime" / "holds" / name / "lock"
    until(lambda: lock.exists() and len(lock.read_text().split()) == 2, within=10)
    return int(lock.read_text().split()[0])


def test_a_killed_guard_is_followed_by_one_that_restores(house: House) -> None:
    """A guard killed while the migration writes: the caller sends another, which ends the migration and restores."""
    house.write("one", "two")
    results: list[HeldResult] = []
    caller = threading.Thread(target=lambda: results.append(house.hold("hang 3")))
    caller.start()
    log = house.world.home / "runtime" / "runs" / "hold-1" / "log"
    until(lambda: log.exists() and "hanging" in log.read_text(), within=10)
    os.kill(_guard_of(house), signal.SIGKILL)
    caller.join(timeout=20)
    assert [result.outcome for result in results] == ["restored"]
    house.assert_untouched("one", "two")


def test_a_new_agent_settles_what_was_left(house: House) -> None:
    """Caller and guard are gone, writers stand still: whoever comes next finds the hold by name and ends it."""
    house.write("one", "two")
    caller = os.fork()
    if caller == 0:
        house.hold("hang 3")
        os._exit(0)
    log = house.world.home / "runtime" / "runs" / "hold-1" / "log"
    until(lambda: log.exists() and "hanging" in log.read_text(), within=10)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    runtime = house.world.reopen()
    assert runtime.unsettled("shop/stage") == ["hold-1"]
    assert runtime.unsettled("shop/other") == []
    assert runtime.settle("hold-1") is None
    assert house.is_frozen("one")
    os.kill(_guard_of(house), signal.SIGKILL)
    until(lambda: runtime.settle("hold-1") is not None, within=10)
    result = runtime.settle("hold-1")
    assert result is not None
    assert result.outcome == "restored"
    assert runtime.unsettled("shop/stage") == []
    house.assert_untouched("one", "two")


def test_a_caller_that_comes_back_finds_the_outcome(house: House) -> None:
    """The caller dies, the guard goes on to its end by itself; asked again by name, it is not run a second time."""
    house.write("one")
    caller = os.fork()
    if caller == 0:
        house.hold()
        os._exit(0)
    until(lambda: (house.world.home / "runtime" / "holds" / "hold-1" / "frozen").exists(), within=10)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    house.world.reopen()
    result = house.hold()
    assert result.outcome == "kept"
    assert not house.is_frozen("one")
    house.stop("one")
    assert house.columns() == ["id", "pad", "extra"]
    assert house.databases.revision("shop", "stage", "main") == ("9c41",)
