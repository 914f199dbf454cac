"""Stacks by the command line: sent from the commit, filled with the environment's secrets, untouched by releases."""

from pathlib import Path

import pytest

from lading.model.secret import Secret
from tests.support_agent import MemoryAgent, commit
from tests.unit.cli.conftest import Run

STACK = """
[stacks.langfuse]
compose = "side/compose.yml"
aliases = { traces = "web" }
env     = { LEVEL = "info" }
secrets = ["SALT"]
"""


@pytest.fixture
def shop(project: Path, agent: MemoryAgent) -> Path:
    """The project with a stack of two."""
    (project / "side").mkdir()
    (project / "side" / "compose.yml").write_text("web example/web:1\ndb example/db:1\n")
    manifest = project / "lading.toml"
    manifest.write_text(manifest.read_text() + STACK)
    commit(project, "a stack", "v2.0.0")
    agent.world.secrets.put("shop/stage", {"SALT": Secret("canary-4711")})
    return project


def test_a_stack_comes_up_and_says_what_runs(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Its compose file is that of the commit, the secret reaches it and nobody else; it is written down who did it."""
    said = run("stack", "up", "stage", "langfuse")
    assert said.status == 0, said.err
    assert "langfuse of stage" in said.out
    assert "example/web:1" in said.out
    spec = agent.stacks.specs["shop/stage/langfuse"]
    assert (spec.compose, spec.aliases, spec.env) == ("compose.yml", {"traces": "web"}, {"LEVEL": "info"})
    assert agent.stacks.given["shop/stage/langfuse"]["SALT"].reveal() == "canary-4711"
    (audit, *_) = agent.world.journal.audits()
    assert (audit.act, audit.data["stack"]) == ("stack up", "langfuse")
    assert "canary" not in said.out + said.err + repr(agent.world.journal.audits())
    (state,) = run("stack", "status", "stage", "--json").result["stacks"]
    assert state["name"] == "langfuse"
    assert run("stack", "up", "stage", "langfuse", "--json").result == {"stack": state}
    assert "no stack" in run("stack", "status", "local").out


def test_a_second_call_disturbs_nothing(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """What did not change is not started again; a rollout and a rollback start nothing of it either."""
    run("stack", "up", "stage", "langfuse")
    before = list(agent.stacks.starts)
    assert run("stack", "up", "stage", "langfuse").status == 0
    assert run("deploy", "stage").status == 0
    assert agent.stacks.starts == before


def test_a_stack_is_no_part_of_a_release(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """A changed stack gives the release no other manifest: it has a life of its own."""
    assert run("release").status == 0
    release = agent.world.journal.release("shop", "v2.0.0")
    assert release is not None
    assert release.manifest.stacks == {}


def test_down_keeps_the_data(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """It says what is left and how to come back; taking down twice is quiet, a stack that never was is told."""
    run("stack", "up", "stage", "langfuse")
    said = run("stack", "down", "stage", "langfuse")
    assert said.status == 0
    assert "its data stays: langfuse_data" in said.out
    assert "is down" in run("stack", "status", "stage").out
    assert run("stack", "down", "stage", "langfuse").status == 0
    assert run("stack", "down", "stage", "nobody").status == 2
    assert [audit.act for audit in agent.world.journal.audits()][:2] == ["stack down", "stack up"]


def test_what_is_wrong_is_said_before_anything_is_sent(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Unknown names, a file that is not there, changes that are in no commit."""
    assert "it has: langfuse" in run("stack", "up", "stage", "other").err
    assert "no environment nowhere" in run("stack", "up", "nowhere", "langfuse").err
    compose = shop / "side" / "compose.yml"
    compose.write_text("web example/web:2\n")
    said = run("stack", "up", "stage", "langfuse")
    assert (said.status, "not committed" in said.err) == (2, True)
    compose.unlink()
    assert "there is no side/compose.yml" in run("stack", "up", "stage", "langfuse").err
    assert agent.stacks.starts == []


def test_a_missing_secret_refuses(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Nothing comes up with an empty password."""
    said = run("stack", "up", "local", "langfuse")
    assert said.status == 3
    assert "lading secrets set local SALT" in said.err
    assert agent.stacks.starts == []


def test_what_the_host_refuses_is_told(shop: Path, run: Run, agent: MemoryAgent) -> None:
    """Each place of the file, with nothing changed; a host without the plugin says so before anything is sent."""
    (shop / "side" / "compose.yml").write_text("web\n")
    commit(shop, "without image")
    said = run("stack", "up", "stage", "langfuse")
    assert said.status == 2
    assert "web  has no image" in said.err
    agent.stacks.lacking = "there is no docker-compose"
    said = run("stack", "up", "stage", "langfuse")
    assert said.status == 3
    assert "there is no docker-compose" in said.err
