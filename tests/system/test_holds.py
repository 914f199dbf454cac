"""A hold on the process runtime, with real programs on a real SQLite database: nothing acknowledged is ever lost."""

import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from lading.ports.runtime import HeldResult
from tests.processes import processes
from tests.support import until
from tests.support_holds import HeldHouse

pytestmark = pytest.mark.system


@pytest.fixture(params=["wal", "delete"])
def house(request: pytest.FixtureRequest) -> Iterator[HeldHouse]:
    options = {"guard": (sys.executable, "-m", "lading.agent.guard")}
    with processes(**options) as world:
        yield HeldHouse(world, request.param)


def test_a_migration_that_goes_well_stands(house: HeldHouse) -> None:
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
def test_a_migration_killed_at_any_statement_leaves_the_old(house: HeldHouse, statement: int) -> None:
    """However far it came, the database is as it was, with everything that was acknowledged."""
    house.write("one", "two")
    result = house.hold(f"die {statement}")
    assert (result.outcome, result.exit_status) == ("restored", -9)
    house.assert_untouched("one", "two")


def test_a_migration_that_takes_too_long_is_ended(house: HeldHouse) -> None:
    """At the limit the migration is killed in the middle of a transaction; nobody stands still for longer."""
    house.write("one")
    result = house.hold("hang 3", limit=2.0)
    assert (result.outcome, result.exit_status) == ("restored", None)
    assert result.held < 2.0
    assert "hanging" in result.output
    house.assert_untouched("one")


def test_a_first_database_that_fails_leaves_nothing(house: HeldHouse) -> None:
    """Where there was no database before, none is there after a migration that failed."""
    result = house.hold("die 0")
    assert result.outcome == "restored"
    assert list(house.file.parent.iterdir()) == []


def _guard_of(house: HeldHouse, name: str = "hold-1") -> int:
    lock = house.world.home / "runtime" / "holds" / name / "lock"
    until(lambda: lock.exists() and len(lock.read_text().split()) == 2, within=10)
    return int(lock.read_text().split()[0])


def test_a_killed_guard_is_followed_by_one_that_restores(house: HeldHouse) -> None:
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


def test_a_new_agent_settles_what_was_left(house: HeldHouse) -> None:
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
    assert runtime.unsettled("shop/stage") == ("hold-1",)
    assert runtime.unsettled("shop/other") == ()
    assert runtime.settle("hold-1") is None
    assert house.is_frozen("one")
    os.kill(_guard_of(house), signal.SIGKILL)
    until(lambda: runtime.settle("hold-1") is not None, within=10)
    result = runtime.settle("hold-1")
    assert result is not None
    assert result.outcome == "restored"
    assert runtime.unsettled("shop/stage") == ()
    house.assert_untouched("one", "two")


def test_a_caller_that_comes_back_finds_the_outcome(house: HeldHouse) -> None:
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
