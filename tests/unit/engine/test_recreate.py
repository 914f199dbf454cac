"""The strategy recreate: one release at a time, requests wait in the gap, and the gap is in the bill."""

from typing import Any

import pytest

from lading.bill import statement_in
from lading.model.environment import Counters
from lading.model.errors import LadingError
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ALONE, KEY, House


@pytest.fixture
def agent() -> MemoryAgent:
    made = MemoryAgent()
    assert made.deploy("v1.0.0", table=ALONE).outcome == "succeeded"
    return made


def _facts(house: House, number: int) -> dict[str, Any]:
    rollout = house.world.journal.rollout(number)
    assert rollout is not None
    statements = [statement_in(envelope) for envelope in house.world.journal.statements(rollout.plan.digest)]
    return next(one.facts for one in statements if one.rollout == number and one.gate == "rollout")


def test_the_plan_says_what_is_stopped_first() -> None:
    """Whatever can be done while the old release serves comes first; nothing of it is drained or kept."""
    house = House.build()
    assert "stop" not in [step.kind for step in house.open_deploy("v1.0.0", ALONE).plan.steps]
    house = House.build()
    house.deploy("v1.0.0", ALONE)
    plan = house.open_deploy("v1.1.0", ALONE).plan
    kinds = [step.kind for step in plan.steps]
    begin = ["preflight", "fetch", "prober", "stop", "start", "health", "ready", "smoke", "cutover"]
    assert kinds == [*begin, "workers", "smoke", "watch", "attest", "prune"]
    assert plan.lines()[3] == "~ stop           web/1 worker/1   v1.0.0, requests wait 10 s at most"
    assert "requests wait meanwhile" in plan.reasons[0]


def test_the_gap_is_measured_and_signed(agent: MemoryAgent) -> None:
    """The bill tells for how long nothing answered, how many waited and how many were told to try again."""
    router, start = agent.world.router, agent.world.runtime.start

    def slowly(spec: Any, secrets: Any) -> Any:
        agent.world.clock.advance(1.5)  # type: ignore[attr-defined]
        return start(spec, secrets)

    agent.world.runtime.start = slowly  # type: ignore[method-assign]
    router.count(KEY, "r2-gap", Counters(requests=7, errors=2))  # type: ignore[attr-defined]
    assert agent.deploy("v1.1.0", table=ALONE).outcome == "succeeded"
    facts = _facts(agent.house, 2)
    assert 1.5 <= facts["gap_seconds"] < 3.0
    assert (facts["waited"], facts["turned_away"]) == (7, 2)


def test_going_back_is_the_same_the_other_way_round(agent: MemoryAgent) -> None:
    """Nothing is kept up for the way back, so the release that serves is stopped before the earlier one starts."""
    agent.deploy("v1.1.0", table=ALONE)
    record = agent.house.record
    assert (record.standby, record.history) == (None, (1,))
    agent.supervisor.look()
    names = {state.name for state in agent.world.runtime.list()}
    assert not any("-r1-" in name for name in names)
    back = agent.ended(agent.request("rollback"))
    assert (back.outcome, agent.serves) == ("succeeded", "v1.0.0")
    assert [step.kind for step in back.plan.steps][1:5] == ["fetch", "prober", "stop", "start"]
    assert all("-r1-" in name for name in agent.world.runtime.running)  # type: ignore[attr-defined]


def test_what_stands_by_from_a_time_before_is_stopped_as_well() -> None:
    """An environment that turns to recreate may have an earlier release up: it does not run beside the new one."""
    house = House.build()
    house.deploy("v1.0.0")
    house.deploy("v1.1.0")
    assert any("-r1-" in name for name in house.world.runtime.running)  # type: ignore[attr-defined]
    house.world.checks.fail("503", of="v1.2.0", path="/ready")  # type: ignore[attr-defined]
    assert house.carry(house.open_deploy("v1.2.0", ALONE)).outcome == "unwound"
    running = house.world.runtime.running  # type: ignore[attr-defined]
    assert {name.split("-r")[1][0] for name in running} == {"2"}
    assert house.deploy("v1.3.0", ALONE).outcome == "succeeded"
    assert all("-r4-" in name for name in house.world.runtime.running)  # type: ignore[attr-defined]


def test_the_supervisor_starts_nothing_of_the_old_release_in_the_gap(agent: MemoryAgent) -> None:
    """What a rollout stopped on purpose is not mended; what dies before that is."""
    runtime = agent.world.runtime
    start = runtime.start
    seen: list[set[str]] = []

    def starting(spec: Any, secrets: Any) -> Any:
        if spec.rollout == 2:
            agent.supervisor.look()
            seen.append(set(runtime.running))  # type: ignore[attr-defined]
        return start(spec, secrets)

    runtime.start = starting  # type: ignore[method-assign]
    prepare = runtime.prepare

    def preparing(release: Any) -> None:
        runtime.crash("shop-stage-r1-web-1")  # type: ignore[attr-defined]
        agent.supervisor.look()
        assert "shop-stage-r1-web-1" in runtime.running  # type: ignore[attr-defined]
        prepare(release)

    runtime.prepare = preparing  # type: ignore[method-assign]
    assert agent.deploy("v1.1.0", table=ALONE).outcome == "succeeded"
    assert seen
    assert not any("-r1-" in name for names in seen for name in names)


def test_after_stuck_in_the_gap_the_old_release_comes_back_alone(agent: MemoryAgent) -> None:
    """When the candidate cannot be ended, nothing starts beside it; once it can, the old release answers who waits."""
    runtime = agent.world.runtime
    stop = runtime.stop

    def stopping(name: str, *, grace: float) -> None:
        if "-r2-" in name:
            raise LadingError("step-failed", happened="it does not end")
        stop(name, grace=grace)

    runtime.stop = stopping  # type: ignore[method-assign]
    agent.world.checks.fail("503", of="v1.1.0", path="/ready")  # type: ignore[attr-defined]
    assert agent.deploy("v1.1.0", table=ALONE).outcome == "stuck"
    for _ in range(3):
        agent.world.clock.advance(10.0)  # type: ignore[attr-defined]
        agent.supervisor.look()
    assert all("-r2-" in name for name in runtime.running)  # type: ignore[attr-defined]
    runtime.stop = stop  # type: ignore[method-assign]
    for _ in range(3):
        agent.world.clock.advance(10.0)  # type: ignore[attr-defined]
        agent.supervisor.look()
    assert all("-r1-" in name for name in runtime.running)  # type: ignore[attr-defined]
    assert agent.world.router.ask(KEY) == "shop-stage-r1-web-1"  # type: ignore[attr-defined]


def test_what_could_not_be_started_is_known_before_anything_is_stopped(agent: MemoryAgent) -> None:
    """A secret that cannot be read turns the rollout around while the old release serves, without a gap."""
    stopped: list[str] = []
    stop = agent.world.runtime.stop

    def stopping(name: str, *, grace: float) -> None:
        stopped.append(name)
        stop(name, grace=grace)

    agent.world.runtime.stop = stopping  # type: ignore[method-assign]

    def preparing(_release: Any) -> None:
        agent.world.secrets.get = _lost  # type: ignore[method-assign]

    agent.world.runtime.prepare = preparing  # type: ignore[method-assign]
    ended = agent.deploy("v1.1.0", table=ALONE)
    assert (ended.outcome, agent.serves) == ("unwound", "v1.0.0")
    assert ended.error is not None
    assert ended.error["code"] == "secret-missing"
    assert not any("-r1-" in name for name in stopped)
    assert all("gap" not in routes.generation for routes in agent.world.router.applied)  # type: ignore[attr-defined]


def _lost(*_: Any) -> Any:
    raise LadingError("secret-missing", doing="reading secret TOKEN", happened="it is not there")
