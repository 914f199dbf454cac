"""The Dockerfile that init writes, built and run as it is."""

import subprocess
import sys
from pathlib import Path

import pytest

from lading.docker import SOCKET, Engine
from tests.agents import answer, ended
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.support_agent import commit

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PROJECT = """
[project]
name = "greeter"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["uvicorn==0.30.6", "starlette==0.38.2"]
"""
APP = """
import os

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def ready(request):
    return PlainTextResponse(f"user {os.getuid()}, process {os.getppid()}")


app = Starlette(routes=[Route("/ready", ready), Route("/", ready)])
"""


@with_engine
def test_what_init_writes_is_built_and_serves(tmp_path: Path) -> None:
    """Locked dependencies, no root; a changed line leaves the layer of the dependencies as it is."""
    project = tmp_path / "project"
    (project / "src" / "greeter").mkdir(parents=True)
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "src" / "greeter" / "main.py").write_text(APP)
    (project / ".gitignore").write_text(".lading*\n")
    agent = ContainerAgent(tmp_path / "home", project, name="greeter")
    subprocess.run([str(Path(sys.executable).with_name("uv")), "lock", "--quiet"], cwd=project, check=True)
    told = agent.lading("init", "--dockerfile")
    assert (told.exit, told.result["init"]["also"]) == (0, ["Dockerfile", ".dockerignore"])
    checked = agent.lading("check")
    assert (checked.exit, [one for one in checked.result["manifest"]["warnings"] if "Dockerfile" in one]) == (0, [])
    with engine_shared(), ended([agent]):
        commit(project, "the first", tag="v1.0.0")
        told = agent.lading("deploy", "local", "v1.0.0")
        assert (told.exit, told.outcome) == (0, "succeeded"), told
        assert answer(f"{agent.url()}/ready") == (200, "user 10001, process 1")
        before = _layers(agent.container_of()["Image"])
        (project / "src" / "greeter" / "main.py").write_text(APP.replace("user {", "number {"))
        commit(project, "another word", tag="v1.1.0")
        told = agent.lading("deploy", "local", "v1.1.0")
        assert (told.exit, told.outcome) == (0, "succeeded"), told
        assert answer(f"{agent.url()}/ready")[1].startswith("number 10001")
        after = _layers(agent.container_of()["Image"])
        assert (after[:-1], after[-1] != before[-1]) == (before[:-1], True)


def _layers(image: str) -> list[str]:
    layers = Engine(SOCKET).get(f"/images/{image}/json")["RootFS"]["Layers"]
    assert isinstance(layers, list)
    return layers
