"""A real Redis behind a program: kept from release to release, replaced when it should be another, and brought back."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.docker import EngineRefused
from tests.agents import ended
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.projects import COMMAND, DOCKERFILE, make_project
from tests.support import until
from tests.support_agent import commit

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]  # the first build fetches packages

CACHE = """
[services.cache]
image   = "redis:7-alpine"
command = "redis-server --appendonly yes --appendfsync always"
check   = "redis-cli -h cache ping"
volumes = { cache = "/data" }
aliases = ["redis"]
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], 6379), timeout=5) as line:
    line.sendall(f"{sys.argv[2]}\\r\\n".encode())
    print(line.recv(1000).decode().strip().splitlines()[-1])
"""


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent with three releases: the second changes the program alone, the third how Redis runs."""
    home = tmp_path_factory.mktemp("backing")
    project = make_project(home / "project")
    (project / "Dockerfile").write_text(DOCKERFILE)
    manifest = (project / "lading.toml").read_text().replace(COMMAND, "")
    manifest = manifest.replace('bundle = "requirements.txt"', 'dockerfile = "Dockerfile"') + CACHE
    agent = ContainerAgent(home / "home", project)
    with engine_shared(), ended([agent]):
        agent.secret("local")
        for version, text in {
            "v2.0.0": manifest,
            "v2.1.0": f'{manifest}\n[env]\nLEVEL = "info"\n',
            "v2.2.0": manifest.replace("--appendonly", "--maxmemory 32mb --appendonly"),
        }.items():
            release(agent, project, version, text)
        yield agent


def release(agent: ContainerAgent, project: Path, version: str, manifest: str) -> None:
    (project / "lading.toml").write_text(manifest)
    commit(project, version, tag=version)
    told = agent.lading("release")
    assert told.exit == 0, told


def ask(agent: ContainerAgent, words: str, host: str = "cache") -> str:
    """Ask Redis as the program would, by a name of its own."""
    return agent.inside(agent.container_of("web"), "python", "-c", ASK, host, words).strip()


def cache(agent: ContainerAgent) -> str:
    """Return the container that Redis runs in, empty while there is none."""
    try:
        return str(agent.container_of("cache")["Id"])
    except EngineRefused:
        return ""


@with_engine
def test_it_stays_and_is_replaced_and_comes_back(agent: ContainerAgent) -> None:
    """The same process serves the next release; another command makes it another; its data is there all the time."""
    told = agent.deploy("v2.0.0")
    assert (told.exit, told.outcome) == (0, "succeeded"), told
    assert told.said("backing") == "redis:7-alpine is up"
    assert ask(agent, "SET greeting hello", "redis") == "+OK"
    first = cache(agent)
    assert not agent.container_of("cache")["HostConfig"]["PortBindings"]

    told = agent.deploy("v2.1.0")
    assert told.said("backing") == "redis:7-alpine, unchanged"
    assert (cache(agent), ask(agent, "GET greeting")) == (first, "hello")

    told = agent.deploy("v2.2.0")
    assert (told.outcome, told.said("backing")) == ("succeeded", "redis:7-alpine, anew: set otherwise")
    assert cache(agent) != first
    assert ask(agent, "GET greeting") == "hello"
    assert ask(agent, "CONFIG GET maxmemory") == "33554432"

    assert agent.rollback().outcome == "succeeded"
    assert (ask(agent, "GET greeting"), ask(agent, "CONFIG GET maxmemory")) == ("hello", "0")

    before = agent.container_of("cache")
    os.kill(before["State"]["Pid"], 9)
    until(lambda: cache(agent) not in ("", before["Id"]), within=20.0)
    until(lambda: ask(agent, "GET greeting") == "hello", within=20.0)
