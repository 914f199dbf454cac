"""A rollout in company, at every fault point: somebody cancels, the supervisor looks, the whole machine goes down."""

import pytest

from lading.agent.supervisor import Supervisor
from lading.engine.context import Locks
from lading.engine.engine import Engine
from lading.engine.faults import Faults, Killed, guard
from lading.model.rollout import Rollout
from lading.ports.prober.memory import MemoryProber
from tests.recovery.house import KEY, House
from tests.recovery.scenarios import READING, SCENARIOS, assert_sound, build, method_of

pytestmark = pytest.mark.recovery


class _Company(Faults):
    """Does something at one visit of one point (at every visit where none is named)."""

    def __init__(self, act: object, point: str = "", at: int = 0) -> None:
        super().__init__()
        self._act, self._point, self._at = act, point, at

    def visit(self, point: str) -> None:
        super().visit(point)
        if self._point in ("", point) and self._at in (0, self.visits[point]):
            self._act()  # type: ignore[operator]


def _cases(when: str, *scenarios: str) -> list[tuple[str, str, int]]:
    """Every visit before (or after) what changes something, and the first and last of those that read."""
    cases = []
    for scenario in scenarios:
        house = build(scenario)
        rollout = SCENARIOS[scenario].open(house)
        faults = Faults()
        Engine(guard(house.world, faults)).carry(rollout.id)
        for point, count in sorted(faults.visits.items()):
            # A line of the story is written beside every mark: what happens there is met at the mark.
            if point.endswith(when) and method_of(point) != "append_event":
                ats = {1, count} if method_of(point) in READING else range(1, count + 1)
                cases += [(scenario, point, at) for at in ats]
    return cases


def _supervisor(house: House, locks: Locks) -> Supervisor:
    return Supervisor(house.world, locks, Locks())


def _settle(house: House, supervisor: Supervisor) -> None:
    """Let the supervisor look until every back-off has passed."""
    for _ in range(4):
        house.world.clock.advance(2.0)  # type: ignore[attr-defined]
        supervisor.look()


@pytest.mark.parametrize(("scenario", "point", "at"), _cases("before", "deploy", "late", "rollback", "first"))
def test_cancelled(scenario: str, point: str, at: int) -> None:
    """Cancelled at any point, a rollout turns back or, behind the point of no return, succeeds; never anything else."""
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    before = house.record.serving
    journal = house.world.journal
    faults = _Company(lambda: journal.request_cancel(rollout.id, "ada"), point, at)
    ended = Engine(guard(house.world, faults)).carry(rollout.id)
    assert ended.outcome in ("cancelled", "rolled_back", "unwound", "succeeded")
    if ended.outcome != "succeeded":
        serving = house.record.serving
        assert (serving and serving.rollout) == (before and before.rollout)
    assert_sound(house, ended)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_looked_at_by_the_supervisor(scenario: str) -> None:
    """A supervisor that looks at every single point changes no outcome and leaves everything sound."""
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    locks = Locks()
    supervisor = _supervisor(house, locks)

    def look() -> None:
        # Who changes routes holds the lock; a supervisor in a thread of its own would wait for it.
        if not locks.of(KEY).locked():
            supervisor.look()

    ended = Engine(guard(house.world, _Company(look)), locks=locks).carry(rollout.id)
    assert ended.outcome == SCENARIOS[scenario].outcome
    _settle(house, supervisor)
    assert_sound(house, ended)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_instances_that_die_all_the_time(scenario: str) -> None:
    """Old instances that die at every point are brought back beside the rollout, which ends in old or new."""
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)
    locks = Locks()
    supervisor = _supervisor(house, locks)
    old = house.record.serving

    def strike() -> None:
        if locks.of(KEY).locked() or old is None:
            return
        for spec in old.web:
            if spec.name in house.world.runtime.running:  # type: ignore[attr-defined]
                house.world.runtime.crash(spec.name)  # type: ignore[attr-defined]
        supervisor.look()

    faults = _Company(strike, "journal.mark:after")
    ended = Engine(guard(house.world, faults), locks=locks).carry(rollout.id)
    _settle(house, supervisor)
    assert_sound(house, ended)


@pytest.mark.parametrize(("scenario", "point", "at"), _cases("after", "deploy", "late", "rollback", "first"))
def test_rebooted(scenario: str, point: str, at: int) -> None:
    """When the whole machine goes down at any point, the next agent brings up what served, then ends the rollout."""
    house = build(scenario)
    rollout = SCENARIOS[scenario].open(house)

    def down() -> None:
        house.world.runtime.reboot()  # type: ignore[attr-defined]
        prober = house.world.prober
        assert isinstance(prober, MemoryProber)
        for name in prober.running:
            prober.stop(name)
        prober._counts.clear()
        raise Killed

    with pytest.raises(Killed):
        Engine(guard(house.world, _Company(down, point, at))).carry(rollout.id)
    locks = Locks()
    supervisor = _supervisor(house, locks)
    supervisor.restore()
    if house.record.serving is not None and house.world.router.current(KEY) is not None:
        _assert_restored(house, rollout)
    ended = Engine(house.world, locks=locks).carry(rollout.id)
    assert ended.outcome in ("succeeded", "unwound", "rolled_back")
    _settle(house, supervisor)
    assert_sound(house, ended)


def _assert_restored(house: House, rollout: Rollout) -> None:
    """Unless the machine went down within the switch itself, what serves is routed to and runs."""
    serving, routes = house.record.serving, house.world.router.current(KEY)
    assert serving is not None
    assert routes is not None
    if routes.generation == f"r{serving.rollout}":
        house.assert_served("after the reboot")
        assert house.unserved == []
