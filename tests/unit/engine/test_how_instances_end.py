"""What is told of an instance that no longer runs."""

import msgspec
import pytest

from lading.engine.acts.waiting import fate_of
from lading.model.environment import InstanceState
from lading.model.errors import LadingError
from tests.recovery.house import House

GONE = InstanceState(name="web-1", running=False)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "is gone"),
        (GONE, "is gone"),
        (msgspec.structs.replace(GONE, exit_status=3), "exited with status 3"),
        (
            msgspec.structs.replace(GONE, exit_status=-9, ended="was killed for want of memory"),
            "was killed for want of memory",
        ),
    ],
)
def test_the_reason_goes_before_the_status(state: InstanceState | None, said: str) -> None:
    """Where a runtime knows why, a number says less."""
    assert fate_of(state) == said


def test_the_way_back_tells_of_what_the_candidate_died(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check may fail before the runtime knows that the instance died; what removes it says of what."""
    house = House.build()
    house.world.checks.fail("502")  # type: ignore[attr-defined]
    looked = house.world.runtime.look

    def look(name: str) -> InstanceState | None:
        state = looked(name)
        return state and msgspec.structs.replace(state, ended="was killed for want of memory")

    monkeypatch.setattr(house.world.runtime, "look", look)
    rollout = house.carry(house.open_deploy("v1.0.0"))
    assert rollout.outcome == "unwound"
    said = [event.text for event in house.world.journal.events(rollout.id) if event.kind == "undone"]
    assert "remove the candidate; web/1 was killed for want of memory; web/2 was killed for want of memory" in said


def test_the_way_back_does_not_depend_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the instance cannot be looked at, it is removed all the same."""
    house = House.build()
    house.world.checks.fail("502")  # type: ignore[attr-defined]
    rollout = house.open_deploy("v1.0.0")
    looked = house.world.runtime.look

    def look(name: str) -> InstanceState | None:
        if house.world.journal.rollout(rollout.id).direction == "unwinding":  # type: ignore[union-attr]
            raise LadingError("engine-failed", happened="server error")
        return looked(name)

    monkeypatch.setattr(house.world.runtime, "look", look)
    assert house.carry(rollout).outcome == "unwound"
