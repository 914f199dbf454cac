"""A rollout cuts no run of a job, and its bill says which it met and what became of them."""

from typing import Any

import pytest

from lading.engine.context import Locks
from lading.engine.jobs import JobCarrier
from lading.engine.patience import Parked
from lading.model.jobs import JobRun
from lading.model.rollout import Rollout
from tests.recovery.house import ALONE, KEY, TABLE, House
from tests.recovery.scenarios import SCENARIOS, build

HOLD = "shop-stage-r2-migrate-main"


@pytest.fixture
def house() -> House:
    """A house in which v1.0.0 serves and a run of its job is in flight."""
    return build("deploy")


def signed(house: House, rollout: Rollout) -> dict[str, Any]:
    """Return what the bill says of a rollout."""
    found = [one for one in house.world.signer.signed if (one.gate, one.rollout) == ("rollout", rollout.id)]  # type: ignore[attr-defined]
    facts: dict[str, Any] = found[-1].facts
    return facts


def told(house: House, rollout: Rollout, step: str) -> list[str]:
    return [event.text for event in house.world.journal.events(rollout.id) if event.name == step]


def in_flight(house: House) -> JobRun:
    assert house.in_flight is not None
    return house.in_flight


@pytest.mark.parametrize("table", [TABLE, ALONE], ids=["blue-green", "recreate"])
def test_a_run_goes_on_beside_the_next_release(house: House, table: Any) -> None:
    """It is not stopped, the line of the cutover names it, and the bill has how long it overlapped."""
    run = in_flight(house)
    rollout = house.deploy("v1.1.0", table)
    assert rollout.outcome == "succeeded"
    assert house.world.runtime.begun[run.name].ended is None  # type: ignore[attr-defined]
    assert told(house, rollout, "cutover")[-1].endswith(", run 1 of jobs goes on")
    (entry,) = signed(house, rollout)["jobs"]
    assert entry.pop("overlap_seconds") > 1.0
    assert entry == {"run": 1, "job": "settle", "release": "v1.0.0", "ended": "goes on"}


def test_one_that_ends_meanwhile_overlapped_until_then(house: House) -> None:
    """What ends during the watch ends as it would have, and overlapped no longer."""
    run = in_flight(house)
    clock: Any = house.world.clock
    runtime: Any = house.world.runtime
    answers = house.world.router.apply

    def end() -> None:
        runtime.end(run.name)
        assert JobCarrier(house.world, Locks(), lambda: False).carry(run.id).ending == "succeeded"

    def applied(*given: Any, **more: Any) -> Any:
        clock.at(0.5, end)
        house.world.router.apply = answers  # type: ignore[method-assign]
        return answers(*given, **more)

    house.world.router.apply = applied  # type: ignore[method-assign]
    rollout = house.deploy("v1.1.0")
    (entry,) = signed(house, rollout)["jobs"]
    assert entry["ended"] == "succeeded"
    assert entry["overlap_seconds"] == pytest.approx(0.5, abs=0.1)


def test_a_rollout_that_comes_back_says_so_too() -> None:
    """The way there and the way back are one overlap, in the statement of a release that was rolled back."""
    house = build("late")
    rollout = house.carry(SCENARIOS["late"].open(house))
    assert rollout.outcome == "rolled_back"
    assert [entry["run"] for entry in signed(house, rollout)["jobs"]] == [1]
    assert told(house, rollout, "cutover")[-1] == "v1.0.0 serves again, run 1 of jobs goes on"


def test_what_ended_before_is_not_met(house: House) -> None:
    """A rollout that met no run says nothing of jobs."""
    run = in_flight(house)
    house.world.runtime.end(run.name)  # type: ignore[attr-defined]
    JobCarrier(house.world, Locks(), lambda: False).carry(run.id)
    rollout = house.deploy("v1.1.0")
    assert "jobs" not in signed(house, rollout)
    assert told(house, rollout, "cutover")[-1] == "v1.0.0 → v1.1.0"


def test_a_migration_lets_runs_stand_still_and_wait() -> None:
    """What ran stood still as long as the database was held; what was asked for meanwhile began afterwards."""
    house = build("migrate")
    clock: Any = house.world.clock
    runtime: Any = house.world.runtime
    asked: list[JobRun] = []

    def migrate(data: Any) -> int:
        data.revision = ("9c41",)
        if runtime.frozen:
            asked.append(house.open_run())
            runtime.at_work.add(HOLD)
            with pytest.raises(Parked, match="migrated"):
                JobCarrier(house.world, Locks(), lambda: True).carry(asked[0].id)
            runtime.at_work.discard(HOLD)
            clock.advance(0.5)
        return 0

    house.migrations(migrate)
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "succeeded"
    stood, waited = signed(house, rollout)["jobs"]
    held = signed(house, rollout)["held_seconds"]
    assert (stood["run"], stood["held_seconds"], "waited_seconds" in stood) == (1, held, False)
    assert waited["run"] == asked[0].id
    assert waited["waited_seconds"] > 0.4
    assert "held_seconds" not in waited
    assert house.world.runtime.unsettled(KEY) == ()
