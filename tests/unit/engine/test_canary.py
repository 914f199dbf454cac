"""The strategy canary: share by share, each compared with what the previous release serves at the same time."""

from collections.abc import Callable
from typing import Any

import pytest

from lading.agent.supervisor import Supervisor
from lading.engine.acts.canary import Both
from lading.engine.routes import shared_routes
from lading.model.environment import Counters, Routes
from lading.model.environment_table import Environment, Strategy
from lading.model.rollout import Rollout
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import KEY, SHARING, House

INF = float("inf")
Count = Callable[[int], Counters]  # the how-manieth look → what was counted by then


def _carried(canary: Count, previous: Count, table: Environment = SHARING) -> tuple[House, Rollout]:
    """Carry a canary while the router counts so."""
    house = House.build()
    house.deploy("v1.0.0", table)
    opened = house.open_deploy("v1.1.0", table)
    looks = {"r1": 0, f"r{opened.id}": 0}

    def counting(_environment: str, generation: str) -> Counters:
        if generation not in looks:
            return Counters()
        looks[generation] += 1
        return (previous if generation == "r1" else canary)(looks[generation])

    house.world.router.counting = counting  # type: ignore[attr-defined]
    return house, house.carry(opened)


def _fine(look: int) -> Counters:
    return Counters(requests=1000 * look)


def _shares(house: House) -> list[float | None]:
    applied: list[Routes] = house.world.router.applied  # type: ignore[attr-defined]
    return [routes.canary.share if routes.canary is not None else None for routes in applied]


def test_the_plan_prints_each_share() -> None:
    """One step a share, with how long it is held and what is tolerated."""
    house = House.build()
    assert "canary" not in [step.kind for step in house.open_deploy("v1.0.0", SHARING).plan.steps]
    house = House.build()
    house.deploy("v1.0.0", SHARING)
    lines = house.open_deploy("v1.1.0", SHARING).plan.lines()
    assert [line for line in lines if line.startswith("~ canary")] == [
        "~ canary         25 %             v1.1.0 for 1 s, at most 2.0% errors more",
        "~ canary         50 %             v1.1.0 for 1 s, at most 2.0% errors more",
    ]


def test_without_shares_of_its_own_a_canary_has_the_usual_ones() -> None:
    """A tenth, then a half, each for as long as the environment's tier is watched."""
    house = House.build()
    table = Environment(strategy=Strategy(kind="canary"))
    house.deploy("v1.0.0", table)
    steps = [step for step in house.open_deploy("v1.1.0", table).plan.steps if step.kind == "canary"]
    assert [(step.share, step.seconds) for step in steps] == [(0.1, 5.0), (0.5, 5.0)]  # type: ignore[union-attr]


def test_a_good_release_takes_over_share_by_share() -> None:
    """The share rises, then all requests go to the new release; workers follow only then."""
    house, ended = _carried(_fine, _fine)
    assert ended.outcome == "succeeded"
    assert _shares(house) == [None, 0.25, 0.5, None]
    kinds = [step.kind for step in ended.plan.steps]
    assert kinds.index("workers") > kinds.index("cutover") > kinds.index("canary")


def test_failures_of_the_share_bring_the_previous_release_back() -> None:
    """More errors than tolerated end it in the first share; nobody but that share ever met it."""
    house, ended = _carried(lambda look: Counters(requests=50 * look, errors=5 * look), _fine)
    assert ended.outcome == "rolled_back"
    assert ended.error is not None
    assert "10.0% of its" in ended.error["happened"]
    assert _shares(house) == [None, 0.25, None]
    assert all("-r1-" in name for name in house.world.runtime.running)  # type: ignore[attr-defined]


def test_what_fails_in_both_releases_is_not_the_canarys_fault() -> None:
    """The errors of the previous release at the same time are tolerated on top."""
    _, ended = _carried(*[lambda look: Counters(requests=500 * look, errors=50 * look)] * 2)
    assert ended.outcome == "succeeded"


def _slow(bound: float) -> Count:
    """Every answer takes up to so many seconds."""
    return lambda look: Counters(
        requests=100 * look, buckets={0.05: 100 * look if bound <= 0.05 else 0, bound: 100 * look, INF: 100 * look}
    )


@pytest.mark.parametrize(
    ("canary", "previous", "outcome"),
    [(0.5, 0.05, "rolled_back"), (0.1, 0.05, "succeeded"), (0.5, 0.4, "succeeded"), (0.05, 0.5, "succeeded")],
)
def test_slower_answers_than_tolerated_turn_back(canary: float, previous: float, outcome: str) -> None:
    """Twice as slow and a tenth of a second more: then it goes back; a few milliseconds are nobody's reason."""
    _, ended = _carried(_slow(canary), _slow(previous))
    assert ended.outcome == outcome


def test_a_handful_of_slow_answers_says_nothing() -> None:
    """A percentile of few requests is no reason to turn back."""
    few = lambda look: Counters(requests=look, buckets={2.0: look, INF: look})  # noqa: E731
    _, ended = _carried(few, _slow(0.05))
    assert ended.outcome == "succeeded"


def test_what_earlier_days_counted_is_not_compared() -> None:
    """Only what both served in the same seconds counts, whatever the previous release has seen before."""
    bad_past = Counters(requests=100_000, errors=50_000)
    old = lambda look: Counters(requests=bad_past.requests + 100 * look, errors=bad_past.errors)  # noqa: E731
    _, ended = _carried(lambda look: Counters(requests=50 * look, errors=5 * look), old)
    assert ended.outcome == "rolled_back"


def test_the_prober_thins_no_errors_out() -> None:
    """What the prober was answered well is taken off, in the share in which all requests were shared out."""
    before = Both(Counters(), Counters(), 0)
    now = Both(Counters(requests=100, errors=4), Counters(requests=900), 800)
    seen = now.since(before)
    assert (seen.canary.requests, seen.canary.errors, seen.previous.requests) == (20, 4, 180)


def test_a_dead_canary_turns_back() -> None:
    """An instance that dies while it has its share ends it, whatever was counted."""
    house = House.build()
    house.deploy("v1.0.0", SHARING)
    opened = house.open_deploy("v1.1.0", SHARING)
    apply = house.world.router.apply

    def applying(routes: Routes) -> None:
        apply(routes)
        if routes.canary is not None:
            house.world.runtime.crash("shop-stage-r2-web-1")  # type: ignore[attr-defined]

    house.world.router.apply = applying  # type: ignore[method-assign]
    ended = house.carry(opened)
    assert ended.outcome == "rolled_back"
    assert ended.error is not None
    assert "canary v1.1.0 with 25 %" in ended.error["doing"]


def test_requests_under_way_at_the_canary_are_finished_before_it_goes() -> None:
    """It is stopped only when nobody is connected to it any more."""
    house = House.build()
    house.deploy("v1.0.0", SHARING)
    opened = house.open_deploy("v1.1.0", SHARING)
    runtime, looks = house.world.runtime, [0]
    stop = runtime.stop

    def connections(name: str) -> int:
        looks[0] += "-r2-web" in name
        return 1 if looks[0] < 5 else 0

    def stopping(name: str, *, grace: float) -> None:
        assert "-r2-web" not in name or looks[0] >= 5
        stop(name, grace=grace)

    def counting(_key: str, generation: str) -> Counters:
        asked[generation] = asked.get(generation, 0) + 50
        return Counters(requests=asked[generation], errors=asked[generation] // 10 if generation == "r2" else 0)

    asked: dict[str, int] = {}
    runtime.connections = connections  # type: ignore[method-assign]
    runtime.stop = stopping  # type: ignore[method-assign]
    house.world.router.counting = counting  # type: ignore[attr-defined]
    assert house.carry(opened).outcome == "rolled_back"
    assert looks[0] >= 5


@pytest.fixture
def agent() -> MemoryAgent:
    made = MemoryAgent()
    assert made.deploy("v1.0.0", table=SHARING).outcome == "succeeded"
    made.house.release("v1.1.0")
    return made


def _sharing(agent: MemoryAgent, then: Callable[[], Any]) -> Rollout:
    """Deploy, and do something when the canary has got its first share; return the rollout when it has ended."""
    apply = agent.world.router.apply
    done: list[bool] = []

    def applying(routes: Routes) -> None:
        apply(routes)
        if routes.canary is not None and not done:
            done.append(True)
            then()

    agent.world.router.apply = applying  # type: ignore[method-assign]
    opened = agent.opened("deploy", "v1.1.0", table=SHARING)
    return agent.ended(opened)


def test_a_rollback_during_a_canary_is_a_route_change(agent: MemoryAgent) -> None:
    """It turns the rollout back instead of opening another, and stops nothing that serves."""
    turned: list[Rollout] = []
    names = set(agent.world.runtime.running)  # type: ignore[attr-defined]
    ended = _sharing(agent, lambda: turned.append(agent.opened("rollback")))
    assert (ended.outcome, agent.serves) == ("rolled_back", "v1.0.0")
    assert [one.id for one in turned] == [ended.id]
    assert set(agent.world.runtime.running) == names  # type: ignore[attr-defined]
    assert agent.world.router.answerers(KEY) == ("shop-stage-r1-web-1",)  # type: ignore[attr-defined]


def test_an_instance_that_is_started_again_takes_no_share_away(agent: MemoryAgent) -> None:
    """While a canary has its share, the supervisor routes to a revived instance and leaves the share as it is."""
    world, record = agent.world, agent.house.record
    opened = agent.house.open_deploy("v1.1.0", SHARING)
    unit = opened.plan.unit
    assert unit is not None
    assert record.serving is not None
    for spec in unit.web:
        world.runtime.start(spec, {})
    world.router.apply(shared_routes(world, record, record.serving, unit, 0.25))
    world.runtime.reboot()  # type: ignore[attr-defined]
    # One without chores: the agent's own would carry the rollout on.
    Supervisor(world, agent.locks, agent.rollouts.admission).look()
    routes = world.router.current(KEY)
    assert routes is not None
    assert routes.canary is not None
    assert routes.canary.share == 0.25
    assert "shop-stage-r1-web-1" in world.runtime.running  # type: ignore[attr-defined]
