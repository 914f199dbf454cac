"""What is told of environments while their container engine is away."""

import msgspec
import pytest

from lading.agent.answers import InstanceView
from lading.agent.status import Status
from lading.cli.status import _instance
from lading.model.errors import LadingError
from tests.recovery.agent import MemoryAgent


def test_what_serves_is_told_though_its_engine_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Release and address stand in the journal; the instance is said to be unseen, not to be down."""
    agent = MemoryAgent()
    agent.house.release("v1.0.0")
    assert agent.ended(agent.request("deploy", "v1.0.0")).outcome == "succeeded"
    world = agent.world
    status = Status(world.journal, world.runtime, world.router, world.clock)

    def away(_name: str) -> None:
        raise LadingError("no-engine", happened="nobody answers there")

    monkeypatch.setattr(world.runtime, "look", away)
    (view,) = status.environments()
    assert view.release == "v1.0.0"
    assert view.url
    assert {instance.unseen for instance in view.instances} == {"nobody answers there"}
    told = _instance(msgspec.to_builtins(view.instances[0]))
    assert told.endswith("cannot be seen: asked the container engine, nobody answers there")
    assert "not running" not in told


def test_any_other_trouble_of_the_runtime_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an absent engine is passed over."""
    agent = MemoryAgent()
    agent.house.release("v1.0.0")
    assert agent.ended(agent.request("deploy", "v1.0.0")).outcome == "succeeded"
    world = agent.world

    def broken(_name: str) -> None:
        raise LadingError("engine-failed", happened="server error")

    monkeypatch.setattr(world.runtime, "look", broken)
    with pytest.raises(LadingError, match="server error"):
        Status(world.journal, world.runtime, world.router, world.clock).environments()


def test_an_instance_that_is_down_says_so() -> None:
    """One that was looked at and does not run says why."""
    down = InstanceView(name="web/1", service="web", running=False, ended="was killed for want of memory")
    assert _instance(msgspec.to_builtins(down)).endswith("not running, was killed for want of memory")
