"""Every fault point × {the agent is killed, the act fails once and heals, the act fails for good}.

The points are those that a rollout without faults visits; each visit of each point is one case. The world is watched at
every point: a request always finds a running instance, old or new.
"""

import dataclasses

import pytest

from lading.engine.faults import Fault, all_points, methods_of
from lading.engine.world import GUARDED
from tests.recovery.house import House
from tests.recovery.scenarios import READING, SCENARIOS, assert_data, assert_sound, build, method_of

pytestmark = pytest.mark.recovery


def _visits(scenario: str) -> list[tuple[str, int]]:
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    world = house.with_faults()
    assert house.carry_through(rollout.id, world).outcome == SCENARIOS[scenario].outcome
    assert house.visits is not None
    assert house.unserved == []
    return [(point, at) for point, count in sorted(house.visits.visits.items()) for at in _chosen(point, count)]


def _chosen(point: str, count: int) -> list[int]:
    """Every visit of a method that changes something; of one that reads, the first, some between and the last."""
    if method_of(point) not in READING:
        return list(range(1, count + 1))
    return sorted({1, 2, 3, count // 2, count - 1, count} & set(range(1, count + 1)))


CASES = [(name, point, at) for name in SCENARIOS for point, at in _visits(name)]


@pytest.mark.parametrize(("scenario", "point", "at"), CASES, ids=lambda value: str(value))
def test_killed(scenario: str, point: str, at: int) -> None:
    """An agent killed at any point leaves a rollout that its successor brings to the end it would have had."""
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    faulty = house.with_faults(Fault(point=point, act="kill", at=at))
    ended = house.carry_through(rollout.id, faulty)
    assert ended.outcome == SCENARIOS[scenario].outcome
    assert_sound(house, ended)


@pytest.mark.parametrize(("scenario", "point", "at"), CASES, ids=lambda value: str(value))
def test_fails_once(scenario: str, point: str, at: int) -> None:
    """An act that fails once and heals ends the rollout in old or new."""
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    faulty = house.with_faults(Fault(point=point, act="fail", at=at))
    ended = house.carry_through(rollout.id, faulty)
    assert ended.outcome in ("succeeded", "unwound", "rolled_back")
    assert_sound(house, ended)


@pytest.mark.parametrize(("scenario", "point", "at"), CASES, ids=lambda value: str(value))
def test_fails_for_good(scenario: str, point: str, at: int) -> None:
    """An act that fails for good ends in old or new, or in stuck where the undo itself needs it; a request is served.

    Where the journal itself fails for good the rollout is parked, and ends once it can be written again.
    """
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    faulty = house.with_faults(Fault(point=point, act="fail", at=at, times=0))
    ended = house.carry_through(rollout.id, faulty)
    assert ended.outcome in ("succeeded", "unwound", "rolled_back", "stuck")
    assert house.unserved == []
    assert house.crowded == []
    assert house.world.journal.unfinished() == []
    if ended.outcome == "stuck":
        assert house.record.alert
        assert_data(house, ended)
    else:
        assert_sound(house, ended)


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
