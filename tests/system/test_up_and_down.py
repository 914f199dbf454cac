"""Verified locally in one command: real instances, a real router, and nothing left of them."""

import pytest

from tests.agents import RealAgent, answer, release_at

pytestmark = pytest.mark.system


def test_verified_locally_and_stopped_again(agent: RealAgent) -> None:
    """``up --once`` builds, starts, checks and ends with 0; no instance, no agent and no router is left."""
    agent.secret("local")
    assert agent.lading("agent", "stop", "--everything").exit == 0
    told = agent.lading("up", "--once")
    assert (told.exit, told.outcome) == (0, "succeeded")
    assert [one["name"] for one in told.result["stopped"]] == ["web/1"]
    assert agent.pid == 0
    assert agent.processes() == []


def test_once_that_fails_leaves_nothing_and_says_so(agent: RealAgent) -> None:
    """A release that never becomes ready gives exit status 4, and nothing of it runs afterwards."""
    agent.secret("local")
    agent.checkout("v1.2.0")
    told = agent.lading("up", "--once")
    assert (told.exit, told.outcome) == (4, "unwound")
    assert told.error["code"] == "ready-failed"
    assert agent.lading("status", "local").result["environments"][0]["instances"] == []


def test_down_and_up_again_with_its_data(agent: RealAgent) -> None:
    """What is down stays down over an agent's death; up brings it back at its address, with its data."""
    agent.secret("local")
    url = agent.lading("up").result["url"]
    assert answer(url, b"order-1")[0] == 201
    assert agent.lading("down").exit == 0
    assert release_at(url) == ""
    agent.kill()
    agent.start()
    assert agent.environment()["stopped"] > 0
    assert release_at(url) == ""
    again = agent.lading("up")
    assert (again.exit, again.result["url"]) == (0, url)
    assert release_at(url) == "v1.0.0"
    assert agent.orders() == ["order-1"]
