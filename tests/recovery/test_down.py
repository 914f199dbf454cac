"""A local environment is taken down: killed or failed at every fault point, it is up as before or down for good."""

from pathlib import Path

import pytest

from lading.agent.down import Downs
from lading.engine.faults import Fault, Faults, Killed, guard, raise_killed
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import ENVIRONMENT, KEY, TABLE
from tests.recovery.releases import PROJECT

pytestmark = pytest.mark.recovery

LOCAL = Environment(tier="local", replicas=TABLE.replicas, strategy=TABLE.strategy)


def _agent() -> MemoryAgent:
    """An agent with a local environment that serves v1.1.0 and has v1.0.0 standing by."""
    agent = MemoryAgent()
    record = EnvironmentRecord(project=PROJECT, name=ENVIRONMENT, tier="local", port=agent.house.record.port)
    agent.world.journal.save_environment(record)
    for version in ("v1.0.0", "v1.1.0"):
        assert agent.deploy(version, table=LOCAL).outcome == "succeeded"
    return agent


def _no_runs(_key: str, _who: str) -> None:
    """End no runs: there are none."""


def _downs(agent: MemoryAgent, world: World) -> Downs:
    return Downs(
        world, agent.rollouts.admission, agent.locks, lambda project, name: Path("/nowhere", project, name), _no_runs
    )


def _cases() -> list[tuple[str, int]]:
    agent = _agent()
    faults = Faults()
    _downs(agent, guard(agent.world, faults)).take(PROJECT, ENVIRONMENT, "ada")
    return [(point, at) for point, count in sorted(faults.visits.items()) for at in range(1, count + 1)]


def _runs(agent: MemoryAgent) -> set[str]:
    return set(agent.world.runtime.running)  # type: ignore[attr-defined]


def _assert_down(agent: MemoryAgent) -> None:
    assert agent.house.record.is_down
    assert _runs(agent) == set()
    assert agent.world.router.current(KEY) is None


def _assert_up_or_down(agent: MemoryAgent) -> None:
    """Wholly up, as if nobody had asked, or wholly down: what the journal says is what is."""
    for _ in range(3):
        agent.supervisor.look()
    serving = agent.house.record.serving
    if serving is None:
        _assert_down(agent)
        return
    assert {spec.name for spec in serving.instances} <= _runs(agent)
    assert agent.world.router.ask(KEY) in {spec.name for spec in serving.web}  # type: ignore[attr-defined]


@pytest.mark.parametrize(("point", "at"), _cases())
def test_killed(point: str, at: int) -> None:
    """An agent killed at any point leaves the environment up or down; asked again it is down, and comes up again."""
    agent = _agent()
    faulty = guard(agent.world, Faults((Fault(point=point, act="kill", at=at),), kill=raise_killed))
    with pytest.raises(Killed):
        _downs(agent, faulty).take(PROJECT, ENVIRONMENT, "ada")
    agent.supervisor.restore()
    _assert_up_or_down(agent)
    _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    _assert_down(agent)
    assert agent.deploy("v1.1.0", table=LOCAL).outcome == "succeeded"
    agent.house.assert_served("after it was brought up again")
    assert agent.house.unserved == []


@pytest.mark.parametrize("times", [1, 0], ids=["once", "for good"])
@pytest.mark.parametrize(("point", "at"), _cases())
def test_fails(point: str, at: int, times: int) -> None:
    """An act that fails is told; the environment is up or down, as the journal says, once it heals."""
    agent = _agent()
    faulty = guard(agent.world, Faults((Fault(point=point, act="fail", at=at, times=times),)))
    with pytest.raises(LadingError):
        _downs(agent, faulty).take(PROJECT, ENVIRONMENT, "ada")
    _assert_up_or_down(agent)


def test_down_stays_down_and_says_what_stopped() -> None:
    """All that ran is named, also what stood by; no look and no restart of the agent brings it back; twice is once."""
    agent = _agent()
    taken = _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    assert taken.release == "v1.1.0"
    assert [(one.name, one.version) for one in taken.stopped] == [
        ("web/1", "v1.0.0"),
        ("web/2", "v1.0.0"),
        ("web/1", "v1.1.0"),
        ("web/2", "v1.1.0"),
        ("worker/1", "v1.1.0"),
    ]
    agent.supervisor.restore()
    agent.supervisor.look()
    _assert_down(agent)
    again = _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    assert (again.release, again.stopped) == (None, ())


def test_its_releases_stay_ways_back() -> None:
    """What served when it was taken down may be returned to once it is up again, so nothing of it is pruned."""
    agent = _agent()
    served = agent.house.record.serving
    assert served is not None
    _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    assert agent.house.record.history[0] == served.rollout
    assert agent.deploy("v1.2.0", table=LOCAL).outcome == "succeeded"
    assert agent.ended(agent.request("rollback")).plan.release == "v1.1.0"


def test_a_failed_rollout_leaves_it_down() -> None:
    """A release that does not become ready changes nothing: the environment stays down, without routes."""
    agent = _agent()
    _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    agent.world.checks.fail("503", of="v1.2.0", path="/ready")  # type: ignore[attr-defined]
    assert agent.deploy("v1.2.0", table=LOCAL).outcome == "unwound"
    agent.supervisor.look()
    _assert_down(agent)


def test_a_rollout_that_comes_back_leaves_it_down() -> None:
    """A release that fails after its cutover takes its routes along."""
    agent = _agent()
    url = agent.world.router.url(KEY)
    _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    agent.world.checks.fail("500", name="status", path="/status", of=url)  # type: ignore[attr-defined]
    assert agent.deploy("v1.2.0", table=LOCAL).outcome == "rolled_back"
    agent.supervisor.look()
    _assert_down(agent)


def test_only_local_environments_are_taken_down() -> None:
    """An agent takes down nothing of another tier, whatever a client's manifest calls it."""
    agent = MemoryAgent()
    agent.deploy("v1.0.0")
    with pytest.raises(LadingError, match="of tier stage") as refused:
        _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    assert refused.value.code == "not-local"
    agent.house.assert_served("after the refusal")
    assert agent.house.unserved == []


def test_a_running_rollout_is_not_pulled_away() -> None:
    """While a rollout is under way the environment is busy."""
    agent = _agent()
    agent.house.open_deploy("v1.2.0", LOCAL)
    with pytest.raises(LadingError) as refused:
        _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    assert refused.value.code == "busy"
    assert refused.value.doing == f"taking {KEY} down"


def test_there_is_no_way_back_from_nothing() -> None:
    """A rollback of what is down is refused with the command that brings it up."""
    agent = _agent()
    _downs(agent, agent.world).take(PROJECT, ENVIRONMENT, "ada")
    with pytest.raises(LadingError, match="taken down") as refused:
        agent.request("rollback")
    assert refused.value.hint.startswith(f"lading up {ENVIRONMENT}")
