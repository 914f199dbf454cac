"""The wall clock jumps, back and forth: no rollout notices, and what serves stays."""

import pytest

from lading.agent.changes import Changes
from lading.agent.gatekeeper import Gatekeeper
from lading.agent.rollouts import Rollouts
from lading.agent.supervisor import Supervisor
from lading.engine.context import Locks
from lading.engine.faults import Faults, guard
from lading.ports.clock.memory import MemoryClock
from lading.ports.sources.memory import MemorySources
from tests.recovery.house import KEY, TABLE, House

pytestmark = pytest.mark.recovery

MONTH = 30 * 86_400.0
JUMPS = (MONTH, -MONTH, 0.5, -3600.0)


class _Jumping(Faults):
    """Lets the wall clock jump at one point of many, again and again."""

    def __init__(self, clock: MemoryClock, seconds: float, every: int) -> None:
        super().__init__()
        self._clock, self._seconds, self._every = clock, seconds, every
        self._count = 0

    def visit(self, point: str) -> None:
        self._count += 1
        if self._count % self._every == 0:
            self._clock.jump(self._seconds)
        super().visit(point)


@pytest.mark.parametrize("every", [7, 40, 150])
@pytest.mark.parametrize("seconds", JUMPS)
def test_a_rollout_does_not_notice(seconds: float, every: int) -> None:
    """Deadlines and watches are measured by a clock that never jumps: the rollout ends as it would have."""
    house = House.build()
    assert house.deploy("v1.0.0").outcome == "succeeded"
    rollout = house.open_deploy("v1.1.0")
    clock = house.world.clock
    assert isinstance(clock, MemoryClock)
    began = clock.monotonic()
    ended = house.carry_through(rollout.id, guard(house.world, _Jumping(clock, seconds, every)))
    assert ended.outcome == "succeeded"
    assert clock.monotonic() - began < 30.0
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.1.0"


@pytest.mark.parametrize("seconds", JUMPS)
def test_what_serves_stays(seconds: float) -> None:
    """A jump may end the time of the previous release early or late; it never touches what serves."""
    house = House.build()
    locks = Locks()
    rollouts = Rollouts(house.world, Gatekeeper(house.world, lambda: ()), Changes(), locks, MemorySources())
    supervisor = Supervisor(house.world, locks, rollouts.admission)
    house.deploy("v1.0.0")
    house.deploy("v1.1.0")
    assert isinstance(house.world.clock, MemoryClock)
    house.world.clock.jump(seconds)
    for _ in range(3):
        supervisor.look()
    record = house.record
    assert record.serving is not None
    serving = {spec.name for spec in record.serving.instances}
    running = set(house.world.runtime.running)  # type: ignore[attr-defined]
    assert serving <= running
    assert house.world.router.ask(KEY) in serving  # type: ignore[attr-defined]
    assert (record.standby is None) == (seconds > TABLE.strategy.keep_previous)
    assert house.carry(house.open_rollback()).outcome == "succeeded"
