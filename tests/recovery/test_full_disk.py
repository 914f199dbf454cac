"""A full disk or an absent engine while something is undone: the rollout waits and is never given up for want of it."""

import pytest

from lading.engine.engine import Engine
from lading.engine.faults import Fault
from lading.engine.patience import Parked
from lading.ports.checks.memory import MemoryChecks
from tests.recovery.house import KEY, House

pytestmark = pytest.mark.recovery


@pytest.mark.parametrize(("code", "what"), [("no-space", "space"), ("no-engine", "the container engine")])
@pytest.mark.parametrize(("point", "at"), [("router.apply:before", 2), ("runtime.stop:before", 2)])
def test_an_undo_waits_for_what_comes_back(point: str, at: int, code: str, what: str) -> None:
    """An undo without space or engine is parked, not stuck; once there is one the rollout comes back by itself."""
    house = House.build()
    house.deploy("v1.0.0")
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))
    rollout = house.open_deploy("v1.3.0")
    full = house.with_faults(Fault(point=point, act="fail", at=at, times=0, code=code))
    for _ in range(3):
        with pytest.raises(Parked, match=f"needs {what}"):
            Engine(full).carry(rollout.id)
    assert house.unserved == []
    assert not house.record.alert
    assert house.carry(rollout).outcome == "rolled_back"
    assert house.world.journal.unfinished() == []
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"
