"""The road with images, everything real: built from the commit, run as containers, and never lost a request."""

import os
from collections.abc import Iterator

import pytest

from lading.docker import EngineRefused
from lading.engine.faults import Fault
from tests.agents import answer, ended
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.projects import as_images, make_project
from tests.strikes import ROLLOUTS, other, port, problems, served, strike
from tests.support import until
from tests.support_router import load

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent with three releases of the project as images; v1.0.0 serves in stage and production."""
    home = tmp_path_factory.mktemp("containers")
    agent = ContainerAgent(home / "home", as_images(make_project(home / "project")))
    with engine_shared(), ended([agent]):
        for environment in ("local", "stage", "production"):
            agent.secret(environment)
        for version in ("v1.1.0", "v1.2.0", "v1.0.0"):
            agent.checkout(version)
            told = agent.lading("release")
            assert told.exit == 0, told
        assert agent.deploy("v1.0.0", "stage").exit == 0
        # Containers keep programs apart: production takes them without anybody loosening its policy.
        assert agent.lading("promote", "stage", "production").exit == 0
        yield agent


@with_engine
def test_from_a_dockerfile_to_production_and_back(agent: ContainerAgent) -> None:
    """A second release under traffic, a broken one, and back: the same plan, checks, router and bill as bundles."""
    with load(port(agent, "production"), per_second=100) as traffic:
        assert agent.deploy("v1.1.0", "stage").exit == 0
        promoted = agent.lading("promote", "stage", "production")
        assert (promoted.exit, promoted.outcome, promoted.rollout["lost_requests"]) == (0, "succeeded", 0), promoted
        broken = agent.deploy("v1.2.0", "stage")
        assert (broken.exit, broken.outcome) == (4, "unwound")
        assert "payouts.settled_at is missing" in broken.error["happened"]
        assert agent.lading("promote", "stage", "production", "v1.2.0").exit == 3
        back = agent.rollback("production")
        assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0)
        until(lambda: answer(agent.url("production"))[1] == "v1.0.0")
    assert traffic.failures == []
    assert set(traffic.names) == {"v1.0.0", "v1.1.0"}
    assert problems(agent, "production") == []
    assert problems(agent, "stage") == []


@with_engine
def test_what_serves_is_hardened(agent: ContainerAgent) -> None:
    """Nothing is published; root, a writable file system, capabilities and new privileges are all given up."""
    found = agent.container_of(environment="production")
    host = found["HostConfig"]
    assert found["Config"]["User"] == "10001"
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert not host["PortBindings"]
    assert not any(found["NetworkSettings"]["Ports"].values())


@with_engine
@pytest.mark.parametrize(
    "point", ["runtime.prepare:after", "runtime.start:after", "router.apply:before", "runtime.run:after"]
)
def test_an_agent_killed_in_the_middle(agent: ContainerAgent, point: str) -> None:
    """The rollout of an agent that was killed ends by itself in the new release, and no request is lost."""
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=50) as traffic:
        wanted = other(served(agent))
        struck = strike(agent, Fault(point=point, act="kill", thread=ROLLOUTS))
        assert (struck.outcome, served(agent)) == ("succeeded", wanted), struck
    assert traffic.failures == []
    assert problems(agent) == []


@with_engine
def test_a_program_that_is_killed_is_started_again(agent: ContainerAgent) -> None:
    """The supervisor makes the container anew, on its address, and requests reach it."""
    before = agent.container_of(environment="stage")
    os.kill(before["State"]["Pid"], 9)
    until(lambda: _id(agent) not in ("", before["Id"]), within=20.0)
    until(lambda: answer(f"http://127.0.0.1:{port(agent, 'stage')}")[0] == 200, within=20.0)
    after = agent.container_of(environment="stage")
    assert after["NetworkSettings"]["Networks"] != {}
    addresses = [next(iter(found["NetworkSettings"]["Networks"].values()))["IPAMConfig"] for found in (before, after)]
    assert addresses[0] == addresses[1]


def _id(agent: ContainerAgent) -> str:
    """Return the container that serves in stage, empty while it is made anew."""
    try:
        return str(agent.container_of(environment="stage")["Id"])
    except EngineRefused:
        return ""
