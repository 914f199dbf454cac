"""No rollout is without a holder for long, and none is held for ever by what nobody foresaw."""

import threading
from typing import Any

import pytest

from lading.agent import carrying
from lading.agent.asking import RolloutRequest
from lading.agent.changes import Changes
from lading.agent.gatekeeper import Gatekeeper
from lading.agent.rollouts import Rollouts
from lading.model.secret import Secret
from lading.ports.sources.memory import MemorySources
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ENVIRONMENT, KEY, TABLE
from tests.recovery.releases import PROJECT
from tests.support import until


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> MemoryAgent:
    monkeypatch.setattr(carrying, "PARKED_PAUSE", 0.01)
    return MemoryAgent()


class _Death(BaseException):
    """What no except clause for errors catches."""


def test_a_thread_that_dies_of_anything_is_followed_by_another_try(agent: MemoryAgent) -> None:
    """Even what is no ordinary exception leaves the rollout with a holder."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    look, deaths = agent.world.runtime.look, iter([1])

    def dying(name: str) -> Any:
        if threading.current_thread().name.startswith("rollout-") and next(deaths, None):
            raise _Death
        return look(name)

    agent.world.runtime.look = dying  # type: ignore[method-assign]
    assert agent.ended(agent.request("deploy", "v1.1.0")).outcome == "succeeded"


def test_a_rollout_whose_thread_could_not_start_is_taken_up(
    agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout that was opened when no thread could be had is carried as soon as one can."""
    agent.house.release("v1.0.0")
    start = threading.Thread.start

    def failing(thread: threading.Thread) -> None:
        if thread.name.startswith("rollout-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", failing)
    opened = agent.request("deploy", "v1.0.0")
    assert opened is not None
    agent.supervisor.look()
    assert agent.world.journal.unfinished()
    monkeypatch.setattr(threading.Thread, "start", start)
    agent.supervisor.look()
    assert agent.ended(opened).outcome == "succeeded"


def test_no_rollout_is_carried_twice_at_once(agent: MemoryAgent) -> None:
    """However often a rollout is taken up, one thread carries it."""
    agent.house.release("v1.0.0")
    go = threading.Event()
    probe = agent.world.checks.probe

    def waiting(*asked: Any) -> Any:
        assert go.wait(10)
        return probe(*asked)

    agent.world.checks.probe = waiting  # type: ignore[method-assign,assignment]
    opened = agent.opened("deploy", "v1.0.0")
    for _ in range(3):
        agent.rollouts.recover()
    carrying = [thread for thread in threading.enumerate() if thread.name == f"rollout-{opened.id}"]
    go.set()
    assert len(carrying) == 1
    assert agent.ended(opened).outcome == "succeeded"


def test_what_always_interrupts_a_rollout_ends_it_as_stuck(agent: MemoryAgent) -> None:
    """A defect that meets every try does not keep the environment busy for ever: it ends stuck, with an alert."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    marks = agent.world.journal.marks

    def defective(number: int) -> Any:
        if threading.current_thread().name.startswith("rollout-"):
            raise ZeroDivisionError
        return marks(number)

    agent.world.journal.marks = defective  # type: ignore[method-assign]
    ended = agent.ended(agent.request("deploy", "v1.1.0"))
    assert ended.outcome == "stuck"
    assert ended.error is not None
    assert "ZeroDivisionError" in ended.error["happened"]
    assert agent.house.record.alert
    agent.house.assert_served("after it")
    assert agent.house.unserved == []
    agent.world.journal.marks = marks  # type: ignore[method-assign]
    assert agent.ended(agent.request("deploy", "v1.1.0")).outcome == "succeeded"
    assert agent.world.router.ask(KEY) == "shop-stage-r3-web-1"  # type: ignore[attr-defined]


def test_an_agent_that_ends_parks_and_the_next_one_carries_on(agent: MemoryAgent) -> None:
    """SIGTERM during a rollout: nothing turns around, and the next agent brings it to the end it would have had."""
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    counters = agent.world.router.counters
    reached, go = threading.Event(), threading.Event()

    def slow(environment: str, generation: str) -> Any:
        reached.set()
        assert go.wait(10)
        return counters(environment, generation)

    agent.world.router.counters = slow  # type: ignore[method-assign]
    opened = agent.opened("deploy", "v1.1.0")
    assert reached.wait(10)
    stopping = threading.Thread(target=agent.rollouts.stop)
    stopping.start()
    go.set()
    stopping.join()
    assert agent.world.journal.unfinished()
    agent.rollouts = Rollouts(agent.world, Gatekeeper(agent.world, lambda: ()), Changes(), agent.locks, MemorySources())
    agent.rollouts.recover()
    assert agent.ended(opened).outcome == "succeeded"
    until(lambda: not [thread for thread in threading.enumerate() if thread.name == f"rollout-{opened.id}"])


def test_environments_of_one_project_do_not_wait_for_each_other(agent: MemoryAgent) -> None:
    """Two environments are rolled out at once; each has its own instances, routes and way back."""
    agent.world.secrets.put("shop/other", {"TOKEN": Secret("canary-other")})
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        agent.house.release(version)
        opened = [
            agent.rollouts.request(
                RolloutRequest(
                    kind="deploy", project=PROJECT, environment=name, version=version, table=TABLE, requested_by="ada"
                )
            )
            for name in (ENVIRONMENT, "other")
        ]
        assert [agent.ended(rollout).outcome for rollout in opened] == ["succeeded", "succeeded"]
    agent.supervisor.look()
    records = agent.world.journal.environments()
    assert [(record.name, len(record.history)) for record in records] == [("other", 2), (ENVIRONMENT, 2)]
    for record in records:
        assert record.serving is not None
        assert agent.world.router.ask(record.key) == record.serving.web[0].name  # type: ignore[attr-defined]
        names = {spec.name for unit in (record.serving, record.standby) if unit for spec in unit.web}
        assert names <= set(agent.world.runtime.running)  # type: ignore[attr-defined]
