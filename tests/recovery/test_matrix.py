"""Every fault point × {the agent is killed, the act fails once and heals, the act fails for good}.

The points are those that a rollout without faults visits; each visit of each point is one case. The world is watched at
every point: a request always finds a running instance, old or new.
"""

import dataclasses
from collections.abc import Callable

import pytest

from lading.engine.faults import Fault, all_points, methods_of
from lading.engine.world import GUARDED
from lading.model.rollout import Rollout
from lading.ports.checks.memory import MemoryChecks
from tests.recovery.house import KEY, House

pytestmark = pytest.mark.recovery


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What happens before the faults, and the request they meet."""

    name: str
    open: Callable[..., Rollout]
    outcome: str


def _deploy(house: House) -> Rollout:
    return house.open_deploy("v1.1.0")


def _bad(house: House) -> Rollout:
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("503", of="v1.2.0", path="/ready")
    return house.open_deploy("v1.2.0")


def _late(house: House) -> Rollout:
    """A release that fails its suite only through the router: it was cut over and comes back."""
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))
    return house.open_deploy("v1.3.0")


def _rollback(house: House) -> Rollout:
    house.deploy("v1.1.0")
    return house.open_rollback()


def _first(house: House) -> Rollout:
    return house.open_deploy("v1.0.0")


SCENARIOS = {
    "deploy": Scenario("deploy", _deploy, "succeeded"),
    "bad": Scenario("bad", _bad, "unwound"),
    "late": Scenario("late", _late, "rolled_back"),
    "rollback": Scenario("rollback", _rollback, "succeeded"),
    "first": Scenario("first", _first, "succeeded"),
}


def _house(scenario: str) -> House:
    house = House.build()
    if scenario != "first":
        assert house.deploy("v1.0.0").outcome == "succeeded"
    return house


def _visits(scenario: str) -> list[tuple[str, int]]:
    house = _house(scenario)
    rollout = SCENARIOS[scenario].open(house)
    world = house.with_faults()
    assert house.carry_through(rollout.id, world).outcome == SCENARIOS[scenario].outcome
    assert house.visits is not None
    assert house.unserved == []
    return [(point, at) for point, count in sorted(house.visits.visits.items()) for at in _chosen(point, count)]


# Methods that only read: polling visits them hundreds of times in the same state.
READING = ("look", "list", "probe", "count", "counters", "rollout", "marks", "environment", "get", "connections", "has")


def _chosen(point: str, count: int) -> list[int]:
    """Every visit of a method that changes something; of one that reads, the first, some between and the last."""
    method = point.partition(".")[2].partition(":")[0]
    if method not in READING:
        return list(range(1, count + 1))
    return sorted({1, 2, 3, count // 2, count - 1, count} & set(range(1, count + 1)))


CASES = [(name, point, at) for name in SCENARIOS for point, at in _visits(name)]


def _assert_sound(house: House, rollout: Rollout) -> None:
    """Old or new, never neither; nothing left running that nobody knows; no lock left."""
    record = house.record
    assert house.unserved == []
    assert house.world.journal.unfinished() == []
    serving = record.serving
    if rollout.outcome == "succeeded":
        assert serving is not None
        assert serving.release.digest == rollout.plan.digest
    if serving is not None:
        assert house.world.router.ask(KEY) in {spec.name for spec in serving.web}
        assert {spec.name for spec in serving.instances} <= set(house.world.runtime.running)
    else:
        assert house.world.router.ask(KEY) is None
    workers = [name for name in house.world.runtime.running if "-worker-" in name]
    assert workers == ([spec.name for spec in serving.workers] if serving is not None else [])


@pytest.mark.parametrize(("scenario", "point", "at"), CASES, ids=lambda value: str(value))
def test_killed(scenario: str, point: str, at: int) -> None:
    """An agent killed at any point leaves a rollout that its successor brings to the end it would have had."""
    house = _house(scenario)
    rollout = SCENARIOS[scenario].open(house)
    faulty = house.with_faults(Fault(point=point, act="kill", at=at))
    ended = house.carry_through(rollout.id, faulty)
    assert ended.outcome == SCENARIOS[scenario].outcome
    _assert_sound(house, ended)


@pytest.mark.parametrize(("scenario", "point", "at"), CASES, ids=lambda value: str(value))
def test_fails_once(scenario: str, point: str, at: int) -> None:
    """An act that fails once and heals ends the rollout in old or new."""
    house = _house(scenario)
    rollout = SCENARIOS[scenario].open(house)
    faulty = house.with_faults(Fault(point=point, act="fail", at=at))
    ended = house.carry_through(rollout.id, faulty)
    assert ended.outcome in ("succeeded", "unwound", "rolled_back")
    _assert_sound(house, ended)


@pytest.mark.parametrize(("scenario", "point", "at"), CASES, ids=lambda value: str(value))
def test_fails_for_good(scenario: str, point: str, at: int) -> None:
    """An act that fails for good ends in old or new, or in stuck where the undo itself needs it; a request is served.

    Where the journal itself fails for good the rollout is parked, and ends once it can be written again.
    """
    house = _house(scenario)
    rollout = SCENARIOS[scenario].open(house)
    faulty = house.with_faults(Fault(point=point, act="fail", at=at, times=0))
    ended = house.carry_through(rollout.id, faulty)
    assert ended.outcome in ("succeeded", "unwound", "rolled_back", "stuck")
    assert house.unserved == []
    assert house.world.journal.unfinished() == []
    if ended.outcome == "stuck":
        assert house.record.alert
    else:
        _assert_sound(house, ended)


def test_every_port_method_has_its_points() -> None:
    """A method added to a port has fault points without being listed; the world is reached through guards only."""
    house = House.build()
    guarded = house.with_faults()
    for port, protocol in GUARDED.items():
        for method in methods_of(protocol):
            assert f"{port}.{method}:before" in all_points()
            assert getattr(getattr(guarded, port), method).__qualname__.endswith("guarded")
    ports = {field.name for field in dataclasses.fields(house.world)}
    assert ports - set(GUARDED) == {"clock"}
