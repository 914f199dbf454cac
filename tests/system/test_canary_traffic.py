"""The strategy canary with the real router, under load: shares, the way back, the agent killed in the middle."""

import re

import pytest

from lading.engine.faults import Fault
from tests.agents import RealAgent
from tests.projects import MANIFEST
from tests.strikes import ROLLOUTS, port, served
from tests.support import until
from tests.support_agent import commit
from tests.support_router import load

pytestmark = pytest.mark.system

TABLE = '[environments.local]\nstrategy = { kind = "canary", canary = [0.1, 0.5], canary_for = "1s", watch = "300ms" }'


def _break(agent: RealAgent) -> None:
    """Make a release that passes every check and answers one in two visitors with an error."""
    agent.checkout("v1.1.0")
    program = agent.project / "orders.py"
    broken = "lambda headers: (500, RELEASE) if b'x-forwarded-for' in headers else (200, RELEASE)"
    text = program.read_text().replace("v1.1.0", "v1.9.0").replace("lambda headers: (200, RELEASE)", broken)
    program.write_text(text)
    commit(agent.project, "v1.9.0", tag="v1.9.0")
    assert agent.lading("release", "v1.9.0").exit == 0
    agent.checkout("v1.0.0")


def test_share_by_share_and_back(agent: RealAgent) -> None:
    """A good release takes over and loses nothing, also when the agent dies; a bad one is met by its share alone."""
    _break(agent)
    (agent.project / "lading.toml").write_text(
        MANIFEST.replace('[environments.local]\nstrategy = { watch = "300ms" }', TABLE)
    )
    assert agent.deploy("v1.0.0").exit == 0
    with load(port(agent), per_second=150) as traffic:
        told = agent.deploy("v1.1.0")
        assert (told.exit, told.outcome, told.rollout["lost_requests"]) == (0, "succeeded", 0), told
        shares = [step["subject"] for step in told.rollout["steps"] if step["name"] == "canary"]
        assert shares == ["10 %", "50 %"]

        back = agent.rollback()
        assert (back.exit, served(agent)) == (0, "v1.0.0")

        agent.restart(Fault(point="router.counters:after", act="kill", at=6, thread=ROLLOUTS))
        command = agent.begin("deploy", "local", "v1.1.0")
        until(lambda: not agent.pid, within=30, what="the agent's death with a share routed")
        agent.start()
        agent.told(command)
        until(lambda: served(agent) == "v1.1.0", within=30)
        until(lambda: agent.environment().get("rollout") is None, within=30)
    assert traffic.failures == []
    assert set(traffic.names) == {"v1.0.0", "v1.1.0"}

    with load(port(agent), per_second=150) as traffic:
        bad = agent.deploy("v1.9.0")
        assert (bad.exit, bad.outcome) == (5, "rolled_back"), bad
        assert re.search(r"of its \d+ requests failed", bad.error["happened"])
        assert served(agent) == "v1.1.0"
    assert set(traffic.names) == {"v1.1.0"}
    assert 0 < len(traffic.failures) < traffic.sent / 5
