"""The error budget of the watch: real requests that fail, as a share of real requests."""

import msgspec
import pytest

from lading.engine.faults import Killed
from lading.model.environment import Counters
from lading.model.environment_table import Strategy
from lading.model.rollout import Rollout
from lading.ports.prober import ProbeCount
from tests.recovery.house import TABLE, House


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


def test_a_request_of_the_probers_is_nobody_elses() -> None:
    """A probe that is answered between the look at the router and the look at the prober is not taken for traffic."""
    house = House.build()
    house.deploy("v1.0.0")
    opened = house.open_deploy("v1.1.0")
    clock, prober, router = house.world.clock, house.world.prober, house.world.router
    counted, looks = prober.count, []

    def counting(_environment: str, _generation: str) -> Counters:
        looks.append("router")
        return Counters(requests=counted(f"shop/stage/r{opened.id}").requests)

    def count(name: str) -> ProbeCount:
        looks.append("prober")
        if looks[-2:] == ["prober", "router"] or len(looks) <= 2:
            clock.wait(0.1, lambda: False)  # five probes long
        return counted(name)

    router.counting = counting  # type: ignore[attr-defined]
    prober.count = count  # type: ignore[method-assign]
    house.carry(opened)
    told = [event.text for event in house.world.journal.events(opened.id) if event.name == "watch"]
    assert set(told[1:]) == {"no requests but the prober's"}


def test_a_watch_goes_on_where_a_dead_agent_left_it() -> None:
    """Agents that die again and again during a long watch still end it: what passed counts, the last look is taken."""
    house = House.build()
    house.deploy("v1.0.0")
    table = msgspec.structs.replace(TABLE, strategy=Strategy(watch=60.0, keep_previous=60.0))
    opened = house.open_deploy("v1.1.0", table)
    clock = house.world.clock
    looked = house.world.router.counters
    start = clock.monotonic()
    deaths = 0

    def dying(environment: str, generation: str) -> Counters:
        nonlocal deaths
        if clock.monotonic() - start > 20.0 * (deaths + 1) and deaths < 2:
            deaths += 1
            raise Killed
        return looked(environment, generation)

    house.world.router.counters = dying  # type: ignore[method-assign]
    assert house.carry_through(opened.id, house.world).outcome == "succeeded"
    assert deaths == 2
    assert clock.monotonic() - start < 75.0
