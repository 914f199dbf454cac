"""The error budget of the watch: real requests that fail, as a share of real requests."""

import pytest

from lading.model.environment import Counters
from lading.model.rollout import Rollout
from tests.recovery.house import House


def _watched(real: int, errors: int) -> Rollout:
    """Carry a deploy whose watch of one second sees so many real requests and errors beside the prober's."""
    house = House.build()
    house.deploy("v1.0.0")
    opened = house.open_deploy("v1.1.0")
    clock, prober = house.world.clock, house.world.prober
    began: list[float] = []

    def counting(_environment: str, generation: str) -> Counters:
        if generation != f"r{opened.id}":
            return Counters()
        began.append(clock.monotonic())
        share = min(1.0, clock.monotonic() - began[0])
        probed = prober.count(f"shop/stage/r{opened.id}").requests
        return Counters(requests=probed + int(real * share), errors=int(errors * share))

    house.world.router.counting = counting  # type: ignore[attr-defined]
    # A suite that takes its time: the prober asks long before the watch begins.
    checks = house.world.checks
    request = checks.request

    def slowly(base_url: str, *rest: object) -> object:
        if base_url.startswith("http://127.0.0.1"):
            clock.wait(3.0, lambda: False)
        return request(base_url, *rest)  # type: ignore[arg-type]

    checks.request = slowly  # type: ignore[method-assign,assignment]
    return house.carry(opened)


def test_the_probers_earlier_requests_make_no_share_larger() -> None:
    """What the prober asked before the watch is not taken from the requests of the watch: 1 % is within 2 %."""
    assert _watched(real=400, errors=4).outcome == "succeeded"


@pytest.mark.parametrize("real", [20, 100])
def test_the_prober_does_not_thin_errors_out(real: int) -> None:
    """Four failures among few real requests exceed the budget, however often the prober was answered well."""
    assert _watched(real=real, errors=4).outcome == "rolled_back"
