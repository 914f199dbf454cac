"""What the prober counted is in the journal once it is complete, and a count that has a gap says so."""

import pytest

from lading.engine.engine import Engine
from lading.engine.faults import Fault, Killed
from lading.model.bill import Statement
from lading.model.rollout import Rollout
from lading.ports.prober.memory import MemoryProber
from tests.recovery.house import House


def _killed_then_carried(point: str, at: int = 1) -> tuple[House, Rollout]:
    """Lose three requests at the cutover, let agent and prober die at a point, and let the next agent carry on."""
    house = House.build()
    house.deploy("v1.0.0")
    rollout = house.open_deploy("v1.1.0")
    apply = house.world.router.apply

    def losing(routes: object) -> None:
        house.world.prober.lose(3)  # type: ignore[attr-defined]
        apply(routes)  # type: ignore[arg-type]

    house.world.router.apply = losing  # type: ignore[method-assign]
    with pytest.raises(Killed):
        Engine(house.with_faults(Fault(point=point, act="kill", at=at))).carry(rollout.id)
    prober = house.world.prober
    assert isinstance(prober, MemoryProber)
    prober.stop(f"shop/stage/r{rollout.id}")
    prober._counts.clear()
    return house, house.carry(rollout)


def _said(house: House) -> Statement:
    signed: list[Statement] = house.world.signer.signed  # type: ignore[attr-defined]
    return next(statement for statement in reversed(signed) if statement.gate == "rollout")


@pytest.mark.parametrize("point", ["store.prune:before", "journal.finish:before", "signer.sign:before"])
def test_what_was_counted_survives_the_agent(point: str) -> None:
    """An agent that dies after the drain takes no lost request along: result and bill have all of them."""
    house, ended = _killed_then_carried(point)
    assert ended.lost_requests == 3
    assert ended.requests > 3
    assert _said(house).facts["lost_requests"] == 3
    assert "interrupted" not in _said(house).facts


def test_a_count_with_a_gap_says_so_in_the_bill() -> None:
    """An agent that dies while the prober asks loses its count; the bill says that it begins at a restart."""
    house, ended = _killed_then_carried("router.counters:after", at=3)
    assert ended.outcome == "succeeded"
    assert "interrupted" in _said(house).facts
