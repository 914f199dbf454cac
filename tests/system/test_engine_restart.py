"""One environment by turns from bundles and images, and an engine that is restarted: nothing is lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.runtime.docker.egress.rules import Chains
from lading.runtime.docker.names import Names
from tests.agents import answer, ended
from tests.containers import ContainerAgent, engine_alone, engine_shared, with_engine
from tests.projects import as_image, make_project
from tests.strikes import port, problems
from tests.support import until
from tests.support_agent import git
from tests.support_router import Load, load

pytestmark = pytest.mark.system
OWN = os.environ.get("LADING_ENGINE", "")


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent that serves v1.0.0 as a bundle; v1.1.0 is an image."""
    home = tmp_path_factory.mktemp("turns")
    project = make_project(home / "project")
    as_image(project, "v1.1.0", "egress = []\n" if os.geteuid() == 0 else "")
    git(project, "checkout", "-q", "--detach", "v1.0.0")
    agent = ContainerAgent(home / "home", project)
    with ended([agent]):
        agent.secret("local")
        assert agent.deploy("v1.0.0").exit == 0
        agent.checkout("v1.1.0")
        with engine_shared():
            told = agent.lading("release")
        assert told.exit == 0, told
        yield agent


@with_engine
def test_an_environment_changes_from_bundle_to_image_and_back(agent: ContainerAgent) -> None:
    """The same database is read and written on both sides of each switch, and no request or order is lost."""
    with engine_shared(), load(port(agent), per_second=50) as traffic:
        assert answer(f"http://127.0.0.1:{port(agent)}/orders", b"first")[0] == 201
        there = agent.deploy("v1.1.0")
        assert (there.exit, there.rollout["lost_requests"]) == (0, 0), there
        assert answer(f"http://127.0.0.1:{port(agent)}/orders", b"second") == (201, "v1.1.0")
        back = agent.rollback()
        assert (back.exit, back.rollout["lost_requests"]) == (0, 0), back
        assert answer(f"http://127.0.0.1:{port(agent)}/orders", b"third") == (201, "v1.0.0")
    assert traffic.failures == []
    assert agent.orders() == ["first", "second", "third"]
    assert problems(agent) == []


@with_engine
@pytest.mark.skipif(not OWN, reason="the engine is not this run's own (LADING_ENGINE), so it is not restarted")
@pytest.mark.timeout(600)
def test_a_restart_of_the_engine_loses_nothing(agent: ContainerAgent) -> None:
    """With live-restore instances serve on; the agent finds them again, and the next rollout is like any other.

    What a container may not reach it cannot reach after it either.
    """
    script = Path(__file__).parents[2] / "scripts" / "engine.sh"
    with engine_alone():
        assert agent.deploy("v1.1.0").exit == 0
        before = agent.container_of()
        traffic = _restart_under_load(agent, script, before)
    assert traffic.failures == []
    assert problems(agent) == []


def _is_confined(agent: ContainerAgent) -> bool:
    """Tell whether the rules for what serves, which reaches nothing, stand before those of the engine."""
    rules = subprocess.run(["iptables", "-S", "DOCKER-USER"], check=True, capture_output=True, text=True).stdout
    return Chains.of(Names(agent.home / "docker").agent).forward in rules.splitlines()[1]


def _restart_under_load(agent: ContainerAgent, script: Path, before: dict[str, Any]) -> Load:
    with load(port(agent), per_second=50) as traffic:
        subprocess.run([script, "restart", OWN], check=True)
        assert agent.container_of()["State"]["Pid"] == before["State"]["Pid"]
        assert os.geteuid() != 0 or _is_confined(agent)
        until(lambda: agent.lading("status", "local").exit == 0, within=20.0)
        assert agent.rollback().exit == 0
        assert agent.deploy("v1.1.0", "local").exit == 0
    return traffic
