"""The supervisor beside rollouts: it mends what serves and never takes away what somebody may need."""

import threading
import time
from typing import Any

import pytest

from lading.engine.faults import Killed
from lading.model.errors import LadingError
from lading.model.rollout import Mark
from lading.ports.database.memory import Data
from lading.ports.runtime import Held, Run, RunResult
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import KEY
from tests.support import until


@pytest.fixture
def agent() -> MemoryAgent:
    return MemoryAgent()


def _failing(message: str) -> Any:
    def failing(*_: Any, **__: Any) -> Any:
        raise LadingError("router-failed", happened=message)

    return failing


def _stuck(agent: MemoryAgent) -> None:
    """Leave a rollout stuck: cut over, failed through the router, and the way back cannot be confirmed though taken."""
    agent.deploy("v1.0.0")
    router = agent.world.router
    apply = router.apply
    agent.world.checks.fail("500", name="status", path="/status", of=router.url(KEY))  # type: ignore[attr-defined]

    def unconfirmed(routes: Any) -> None:
        apply(routes)
        if routes.generation == "r1":
            raise LadingError("router-failed", happened="not confirmed")

    router.apply = unconfirmed  # type: ignore[method-assign]
    assert agent.deploy("v1.1.0").outcome == "stuck"
    router.apply = apply  # type: ignore[method-assign]
    agent.world.checks.heal()  # type: ignore[attr-defined]


def test_after_stuck_nothing_is_taken_away(agent: MemoryAgent) -> None:
    """While an alert stands, neither the one nor the other release is retired: whichever the router asks, answers."""
    _stuck(agent)
    assert agent.house.record.alert
    for _ in range(3):
        agent.world.clock.advance(100.0)  # type: ignore[attr-defined]
        agent.supervisor.look()
        agent.house.assert_served("after a look")
    assert agent.house.unserved == []


def test_after_stuck_old_and_new_workers_never_run_together(agent: MemoryAgent) -> None:
    """The supervisor starts no worker beside one of the other release: no job is taken twice."""
    _stuck(agent)
    agent.supervisor.look()
    workers = [name for name in agent.world.runtime.running if "-worker-" in name]  # type: ignore[attr-defined]
    assert len(workers) == 1


def test_after_stuck_what_should_serve_can_be_deployed(agent: MemoryAgent) -> None:
    """Deploying the release that the record calls serving is a rollout, not "nothing to do", and clears the alert."""
    _stuck(agent)
    serving = agent.serves
    assert serving is not None
    assert agent.ended(agent.request("deploy", serving)).outcome == "succeeded"
    assert agent.house.record.alert == ""
    agent.house.assert_served("after the deploy")
    assert agent.house.unserved == []


def test_routes_that_failed_once_are_applied_at_the_next_look(agent: MemoryAgent) -> None:
    """After a reboot instances have new addresses; a router that is not up yet gets them when it is."""
    agent.deploy("v1.0.0")
    runtime, router = agent.world.runtime, agent.world.router
    for name in runtime.running:  # type: ignore[attr-defined]
        runtime.remove(name)
    apply = router.apply
    router.apply = _failing("the router is not up yet")  # type: ignore[method-assign]
    agent.supervisor.restore()
    router.apply = apply  # type: ignore[method-assign]
    agent.world.clock.advance(1.0)  # type: ignore[attr-defined]
    agent.supervisor.look()
    routes = router.current(KEY)
    assert routes is not None
    known = {state.address for state in runtime.list()}
    assert {backend.address for service in routes.services for backend in service.backends} <= known


def test_one_instance_that_cannot_start_keeps_no_other_down(agent: MemoryAgent) -> None:
    """Of two dead instances the second is started and routed to in the same look, though the first cannot start."""
    agent.deploy("v1.0.0")
    runtime = agent.world.runtime
    start = runtime.start

    def starting(spec: Any, secrets: Any) -> Any:
        if spec.slot == 1 and spec.service == "web":
            raise LadingError("start-failed", happened="no such program")
        return start(spec, secrets)

    runtime.start = starting  # type: ignore[method-assign]
    runtime.reboot()  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert "shop-stage-r1-web-2" in runtime.running  # type: ignore[attr-defined]


def test_a_slow_retirement_holds_up_no_request_and_no_restart(agent: MemoryAgent) -> None:
    """While an old instance takes its grace to end, other environments are tended and their rollouts opened."""
    agent.deploy("v1.0.0")
    agent.deploy("v1.1.0")
    agent.world.clock.advance(61.0)  # type: ignore[attr-defined]
    stop = agent.world.runtime.stop
    stopping, go = threading.Event(), threading.Event()

    def slowly(name: str, *, grace: float) -> None:
        if name.startswith("shop-stage-r1-"):
            stopping.set()
            assert go.wait(10)
        stop(name, grace=grace)

    agent.world.runtime.stop = slowly  # type: ignore[method-assign]
    agent.supervisor.start()
    try:
        assert stopping.wait(10)
        other = agent.rollouts.admission.of("shop/other")
        assert other.acquire(timeout=2.0)
        other.release()
        agent.world.runtime.crash("shop-stage-r2-web-1")  # type: ignore[attr-defined]
        until(lambda: "shop-stage-r2-web-1" in agent.world.runtime.running)  # type: ignore[attr-defined]
    finally:
        go.set()
        agent.supervisor.stop()


def test_a_release_withdrawn_while_its_instance_dies_is_not_routed_to_again(agent: MemoryAgent) -> None:
    """A first deploy on its way back leaves no routes, even if the supervisor looks right after they were withdrawn."""
    agent.world.checks.fail("500", name="status", path="/status", of="http://127.0.0.1:7300")  # type: ignore[attr-defined]
    mark_of = agent.world.journal.mark

    def marking(number: int, mark: Mark, *rest: Any) -> None:
        if mark.direction == "unwinding" and rest[0] is not None:
            agent.world.runtime.crash("shop-stage-r1-web-1")  # type: ignore[attr-defined]
            agent.supervisor.look()
        mark_of(number, mark, *rest)

    agent.world.journal.mark = marking  # type: ignore[method-assign,assignment]
    assert agent.deploy("v1.0.0").outcome == "rolled_back"
    assert agent.world.router.current(KEY) is None
    assert agent.world.runtime.running == ()  # type: ignore[attr-defined]
    agent.world.checks.heal()  # type: ignore[attr-defined]
    assert agent.deploy("v1.0.1").outcome == "succeeded"


def _held(agent: MemoryAgent) -> None:
    """Leave a hold behind whose guard died in the middle of its run."""
    databases, runtime = agent.world.databases, agent.world.runtime
    databases.contents["sqlite://shop/stage/main"] = Data(rows=["first"])  # type: ignore[attr-defined]
    serving = agent.house.record.serving
    assert serving is not None

    def run(_run: Run) -> RunResult:
        databases.contents["sqlite://shop/stage/main"].rows.clear()  # type: ignore[attr-defined]
        raise Killed

    runtime.script_run("h", run)  # type: ignore[attr-defined]
    held = Held(name="h", run=Run(name="h", spec=serving.web[0]), place=databases.custody("shop", "stage", "main", 2))
    with pytest.raises(Killed):
        runtime.run_held(held, {})


def test_nothing_is_started_while_a_database_is_migrated(agent: MemoryAgent) -> None:
    """An instance that dies while everybody stands still is started again after that, and never before."""
    agent.deploy("v1.0.0")
    _held(agent)
    runtime = agent.world.runtime
    runtime.at_work.add("h")  # type: ignore[attr-defined]
    runtime.crash("shop-stage-r1-web-1")  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert "shop-stage-r1-web-1" not in runtime.running  # type: ignore[attr-defined]
    runtime.at_work.clear()  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert "shop-stage-r1-web-1" in runtime.running  # type: ignore[attr-defined]


@pytest.mark.parametrize("how", ["look", "restore"])
def test_what_a_dead_guard_left_is_restored_and_let_go(agent: MemoryAgent, how: str) -> None:
    """The supervisor's look, and an agent's start, restore the database first and let everybody go on."""
    agent.deploy("v1.0.0")
    _held(agent)
    assert agent.world.runtime.frozen  # type: ignore[attr-defined]
    getattr(agent.supervisor, how)()
    assert not agent.world.runtime.frozen  # type: ignore[attr-defined]
    assert agent.world.databases.contents["sqlite://shop/stage/main"].rows == ["first"]  # type: ignore[attr-defined]
    assert agent.world.runtime.unsettled(KEY) == ()


def test_an_environment_that_is_migrated_keeps_nobody_waiting(agent: MemoryAgent) -> None:
    """While a rollout has an environment's lock, as long as requests wait, the others are looked after."""
    agent.deploy("v1.0.0")
    with agent.locks.of(KEY):
        began = time.monotonic()
        agent.supervisor.look()
        assert time.monotonic() - began < 5
