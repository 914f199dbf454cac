"""A program that nobody here wrote, from the package index: deployed by a manifest, pins and a database file alone."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples.make_repository import make_repository

from tests.agents import RealAgent, answer, ended
from tests.support_agent import git

pytestmark = pytest.mark.system


@pytest.fixture
def datasette(tmp_path: Path) -> Iterator[RealAgent]:
    """An agent and the example's repository at its first version."""
    make_repository("datasette", tmp_path / "project", at="v1.0.0")
    agent = RealAgent(tmp_path / "home", tmp_path / "project")
    with ended([agent]):
        yield agent


def runs(agent: RealAgent) -> str:
    """Return the version of datasette that answers."""
    with urllib.request.urlopen(f"{agent.url()}/-/versions.json", timeout=5) as response:
        return str(json.load(response)["datasette"]["version"])


def pinned(agent: RealAgent) -> str:
    """Return the version of datasette that the release checked out pins."""
    lines = (agent.project / "requirements.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith("datasette==")).partition("==")[2].split()[0]


def test_a_published_program_is_upgraded_and_comes_back(datasette: RealAgent) -> None:
    """One published version serves, the next takes over without a lost request, and the first comes back."""
    assert datasette.lading("deploy", "local").exit == 0
    first = pinned(datasette)
    assert runs(datasette) == first
    ships = answer(f"{datasette.url()}/fixtures/ships.json?_shape=array")
    assert ships[0] == 200

    git(datasette.project, "checkout", "-q", "v1.1.0")
    told = datasette.lading("deploy", "local")
    assert (told.exit, told.outcome, told.rollout["lost_requests"]) == (0, "succeeded", 0), told
    assert runs(datasette) == pinned(datasette) != first
    assert answer(f"{datasette.url()}/fixtures/ships.json?_shape=array") == ships

    back = datasette.rollback()
    assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0), back
    assert runs(datasette) == first
