"""An agent that goes away over a request: the command finds out what had been accepted."""

from pathlib import Path
from typing import Any

import pytest

from lading.client.agent import Agent, BrokenOff
from lading.model.errors import LadingError
from tests.support_agent import MemoryAgent
from tests.unit.cli.conftest import Run


def _break(monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Break the connection over the request for a rollout, before it was read or after it was accepted."""
    post = Agent.post

    def broken(self: Agent, path: str, body: Any = None, **query: Any) -> Any:
        if path != "/v1/rollouts":
            return post(self, path, body, **query)
        if after:
            post(self, path, body, **query)
        raise BrokenOff("agent-unreachable", doing="asking", happened="the connection broke off", hint="status")

    monkeypatch.setattr(Agent, "post", broken)


def test_what_was_accepted_is_followed(
    project: Path, agent: MemoryAgent, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout that was opened before the answer got lost is followed to its end like any other."""
    monkeypatch.setattr("lading.client.follow.CLOCKS_APART", 1e10)  # the agent's clock is one of its own
    _break(monkeypatch, after=True)
    said = run("--json", "deploy", "local")
    assert said.status == 0
    assert said.result["rollout"]["id"] == 1
    assert said.result["rollout"]["outcome"] == "succeeded"


def test_what_was_not_accepted_is_said(
    project: Path, agent: MemoryAgent, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no rollout was opened the command says so, with exit status 7, and nothing was changed."""
    _break(monkeypatch, after=False)
    said = run("--json", "deploy", "local")
    assert said.status == 7
    assert "opened no such rollout" in said.result["error"]["now"]
    assert said.result["rollout"]["id"] is None
    assert not agent.world.journal.rollouts()


def test_an_earlier_rollout_is_not_taken_for_the_lost_one(
    project: Path, agent: MemoryAgent, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rollout of the same kind and person from before the request is another one."""
    assert run("--json", "deploy", "local").status == 0
    _break(monkeypatch, after=False)
    assert run("--json", "deploy", "local").status == 7


def test_an_agent_that_is_not_back_at_once_is_asked_again(
    project: Path, agent: MemoryAgent, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that is just coming up again refuses the first tries; what it had accepted is found all the same."""
    monkeypatch.setattr("lading.client.follow.CLOCKS_APART", 1e10)
    _break(monkeypatch, after=True)
    get, tries = Agent.get, iter(range(3))

    def refusing(self: Agent, path: str, **query: Any) -> Any:
        if path == "/v1/rollouts" and next(tries, None) is not None:
            raise LadingError("agent-unreachable", happened="no agent runs there")
        return get(self, path, **query)

    monkeypatch.setattr(Agent, "get", refusing)
    assert run("--json", "deploy", "local").status == 0
