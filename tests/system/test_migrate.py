"""Migrations on the whole road: a real agent, real requests, and whatever may go wrong while everybody stands still."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lading.engine.faults import Fault
from tests.agents import RealAgent, Told, answer, kill
from tests.projects import MANIFEST
from tests.strikes import ROLLOUTS, port, problems, served
from tests.support import until
from tests.support_agent import commit
from tests.support_router import load

pytestmark = pytest.mark.system

# Each statement is committed by itself; ``HURTS`` says what happens after which, and on which database.
MIGRATION = """
import os, signal, sqlite3, time
path = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
HURTS = {hurts!r}
database = sqlite3.connect(path, isolation_level=None, timeout=5)
print("migrating", path, flush=True)
known = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
if known and database.execute("SELECT 1 FROM alembic_version WHERE version_num = '{revision}'").fetchone():
    raise SystemExit(0)
for number, statement in enumerate((
    "CREATE TABLE IF NOT EXISTS orders (id TEXT NOT NULL, release TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT NOT NULL)",
    "CREATE INDEX orders_id_{revision} ON orders (id)",
    "UPDATE orders SET release = 'migrated'",
    "DELETE FROM alembic_version",
    "INSERT INTO alembic_version VALUES ('{revision}')",
)):
    database.execute(statement)
    if HURTS and HURTS[1] == number and (HURTS[2] == "everywhere" or "rehearsals" not in path):
        if HURTS[0] == "fails":
            raise SystemExit("no such column: payouts.settled_at")
        if HURTS[0] == "hangs":
            print("hanging", flush=True)
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGKILL)
"""

Hurts = tuple[str, int, str] | None


def migrating(agent: RealAgent, version: str, revision: str, hurts: Hurts = None, *, hold: str = "10s") -> None:
    """Commit and release a version that migrates the database to a revision."""
    agent.checkout("v1.1.0")
    (agent.project / "migrate.py").write_text(MIGRATION.format(hurts=hurts, revision=revision))
    app = (agent.project / "orders.py").read_text()
    (agent.project / "orders.py").write_text(app.replace("v1.1.0", version))
    text = MANIFEST.replace('env    = "DATABASE_URL"', 'env    = "DATABASE_URL"\nmigrate = "python migrate.py"')
    text = text.replace('strategy = { watch = "300ms" }', f'strategy = {{ watch = "300ms", hold = "{hold}" }}')
    (agent.project / "lading.toml").write_text(text)
    commit(agent.project, version, tag=version)
    told = agent.lading("release", version)
    assert told.exit == 0, told


def revision(agent: RealAgent) -> str | None:
    with closing(sqlite3.connect(f"file:{agent.database()}?mode=ro", uri=True, timeout=10)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


class Customers:
    """Place orders one after another, several at once, and remember what was acknowledged; an order waits its turn."""

    def __init__(self, agent: RealAgent) -> None:
        self.agent = agent
        self.url = agent.url()
        self.placed: list[str] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._order, args=(number,)) for number in range(3)]

    def __enter__(self) -> "Customers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _order(self, customer: int) -> None:
        number = 0
        while not self._stop.wait(0.01):
            number += 1
            status, text = answer(self.url, f"{customer}-{number}".encode(), within=30.0)
            if status == 201:
                self.placed.append(f"{customer}-{number}")
            else:
                self.failures.append(f"{status} {text}")

    def assert_all_there(self) -> None:
        """No order that was acknowledged is missing or there twice, and none was refused."""
        assert self.failures == []
        kept = self.agent.orders()
        assert len(kept) == len(set(kept))
        assert set(self.placed) <= set(kept)
        assert self.placed


def run_log(agent: RealAgent, number: int) -> Path:
    return agent.home / "process" / "runs" / f"orders-local-r{number}-migrate-main" / "log"


def hold_folder(agent: RealAgent, number: int) -> Path:
    return agent.home / "process" / "holds" / f"orders-local-r{number}-migrate-main"


def texts(told: Told, step: str) -> list[str]:
    """Return what was told of a step."""
    events = [line["event"] for line in told.lines if "event" in line]
    return [event["text"] for event in events if event["name"] == step]


def copies(agent: RealAgent) -> list[Path]:
    """Return what is left of copies of the database."""
    return [file for file in (agent.home / "environments").rglob("main.db*") if "databases" not in file.parts]


def test_a_migration_under_requests(agent: RealAgent) -> None:
    """Requests wait while the database is migrated and none is lost; a failing migration is known on a copy already."""
    migrating(agent, "v2.0.0", "9c41")
    migrating(agent, "v2.1.0", "77aa", ("fails", 3, "everywhere"))
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=100) as traffic, Customers(agent) as customers:
        migrated = agent.deploy("v2.0.0")
        assert (migrated.exit, migrated.outcome) == (0, "succeeded"), migrated
        assert revision(agent) == "9c41"
        failed = agent.deploy("v2.1.0")
        assert (failed.exit, failed.outcome, failed.error["code"]) == (4, "unwound", "migration-failed")
        assert failed.error["details"][-1] == "no such column: payouts.settled_at"
        assert revision(agent) == "9c41"
        again = agent.lading("deploy", "local", "v2.0.0", "--again")
        assert (again.exit, again.rollout["held_seconds"]) == (0, 0)
        assert "at 9c41 already, nobody was held" in texts(again, "migrate")
    assert traffic.failures == []
    customers.assert_all_there()
    assert copies(agent) == []
    assert any(text.startswith("nothing → 9c41, held") for text in texts(migrated, "migrate"))
    assert migrated.rollout["held_seconds"] > 0
    assert failed.rollout["held_seconds"] == 0


@pytest.mark.parametrize("hurts", [("fails", 3, "here"), ("dies", 4, "here"), ("hangs", 3, "here")], ids=lambda h: h[0])
def test_a_migration_that_fails_while_held(agent: RealAgent, hurts: Hurts) -> None:
    """Well on the copy, and failed, killed or stuck on the database: it is restored and the old release serves on."""
    migrating(agent, "v2.0.0", "9c41", hurts, hold="3s")
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=100) as traffic, Customers(agent) as customers:
        failed = agent.deploy("v2.0.0")
        assert (failed.exit, failed.outcome, failed.error["code"]) == (4, "unwound", "migration-failed")
        assert served(agent) == "v1.0.0"
    assert traffic.failures == []
    customers.assert_all_there()
    assert 0 < failed.rollout["held_seconds"] < 3
    assert revision(agent) is None
    assert copies(agent) == []


def test_a_first_deploy_migrates_what_is_not_there(agent: RealAgent) -> None:
    """The first deploy makes the database; a failing one leaves none, and the next begins anew."""
    migrating(agent, "v2.0.0", "9c41")
    migrating(agent, "v2.1.0", "77aa", ("fails", 3, "here"))
    failed = agent.deploy("v2.1.0")
    assert (failed.exit, failed.outcome) == (4, "unwound")
    assert not list((agent.home / "environments").rglob("main.db*"))
    assert agent.deploy("v2.0.0").exit == 0
    assert revision(agent) == "9c41"


def _until_hanging(agent: RealAgent, number: int) -> None:
    until(lambda: run_log(agent, number).exists() and "hanging" in run_log(agent, number).read_text(), within=30)


def _guard(agent: RealAgent, number: int) -> int:
    return int((hold_folder(agent, number) / "lock").read_text().split()[0])


@pytest.mark.parametrize("killed", ["agent", "guard", "agent and guard"])
def test_killed_while_everybody_stands_still(agent: RealAgent, killed: str) -> None:
    """Agent, guard, or both are killed in the middle: the database is restored, everybody goes on, nothing is lost."""
    migrating(agent, "v2.0.0", "9c41", ("hangs", 3, "here"), hold="5s")
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=50) as traffic, Customers(agent) as customers:
        command = agent.begin("deploy", "local", "v2.0.0")
        until(lambda: len(agent.rollouts()) == 2, within=30)
        _until_hanging(agent, 2)
        placed = len(customers.placed)
        guard = _guard(agent, 2)
        if "agent" in killed:
            agent.kill()
        if "guard" in killed:
            kill(guard)
        told = agent.told(command)
        assert (told.exit, told.outcome, told.error["code"]) == (4, "unwound", "migration-failed")
        until(lambda: len(customers.placed) > placed + 10, within=10)
    assert traffic.failures == []
    customers.assert_all_there()
    assert revision(agent) is None
    assert served(agent) == "v1.0.0"
    assert copies(agent) == []


def test_a_reboot_in_the_middle_restores_first(agent: RealAgent) -> None:
    """Everything is gone in the middle of a migration: the next agent restores before it starts an instance."""
    migrating(agent, "v2.0.0", "9c41", ("hangs", 3, "here"))
    assert agent.deploy("v1.0.0").exit == 0
    with Customers(agent) as customers:
        until(lambda: len(customers.placed) > 10)
        command = agent.begin("deploy", "local", "v2.0.0")
        until(lambda: len(agent.rollouts()) == 2, within=30)
        _until_hanging(agent, 2)
        command.kill()
        command.communicate()
        agent.reboot()
    agent.start()
    assert agent.settle() == "unwound"
    assert set(customers.placed) <= set(agent.orders())
    assert revision(agent) is None
    until(lambda: served(agent) == "v1.0.0" and answer(agent.url())[0] == 200, within=10)


def test_turned_back_after_the_migration(agent: RealAgent) -> None:
    """A rollout that fails after its migration leaves the database at the new revision, and says so."""
    migrating(agent, "v2.0.0", "9c41")
    assert agent.deploy("v1.0.0").exit == 0
    agent.restart(Fault(point="runtime.start:before", act="fail", times=0, thread=ROLLOUTS))
    told = agent.deploy("v2.0.0")
    assert (told.exit, told.outcome) == (4, "unwound")
    assert revision(agent) == "9c41"
    assert "database main stays at 9c41: it may have accepted writes since" in texts(told, "migrate")
    assert served(agent) == "v1.0.0"
    assert problems(agent) == []
