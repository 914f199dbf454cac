"""Programs from the package index that nobody here wrote, upgraded between two published versions under load.

Each is deployed by its manifest and its pins, as kept in ``examples``; nothing of the program was changed.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from examples.make_repository import make_repository

from tests.agents import RealAgent, ended
from tests.support import until
from tests.support_agent import git
from tests.visitors import Ask, Read, Visitors, Write, asked, visitors

pytestmark = pytest.mark.system

BOUNDARY = "a-boundary"
UPLOAD = f"""--{BOUNDARY}\r
Content-Disposition: form-data; name=":action"\r
\r
file_upload\r
--{BOUNDARY}\r
Content-Disposition: form-data; name="content"; filename="cargo-0.%d.tar.gz"\r
\r
crate %d\r
--{BOUNDARY}--\r
"""


class Application(NamedTuple):
    """A published program: how it is read and written by its own interface, and what it has kept."""

    read: Read
    write: Write | None
    kept: Callable[[str], list[int]]
    secrets: tuple[str, ...] = ()


def _datasette_version(ask: Ask) -> str:
    return str(ask("GET", "/-/versions.json").json()["datasette"]["version"])


def _ships(url: str) -> list[int]:
    ships = asked(url, "/fixtures/ships.json?_shape=array").json()
    assert len(ships) == 4
    return []


def _pypiserver_version(ask: Ask) -> str:
    found = re.search(rb"running version (\S+) of", ask("GET", "/").body)
    if found is None:
        raise ValueError("the page names no version")
    return found[1].decode()


def _upload(ask: Ask, number: int) -> bool:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return ask("POST", "/", (UPLOAD % (number, number)).encode(), headers).status == 200


def _uploads(url: str) -> list[int]:
    numbers = [int(found) for found in re.findall(rb">cargo-0\.(\d+)\.tar\.gz<", asked(url, "/simple/cargo/").body)]
    for number in numbers[:3]:
        assert asked(url, f"/packages/cargo-0.{number}.tar.gz").body == b"crate %d" % number
    return numbers


def _ara_version(ask: Ask) -> str:
    return str(ask("GET", "/api/").json()["version"])


def _playbook(ask: Ask, number: int) -> bool:
    body = {"path": f"/runs/{number}.yml", "status": "completed", "started": "2026-01-01T00:00:00Z"}
    body |= {"ansible_version": "2.19", "controller": "here"}
    return (
        ask("POST", "/api/v1/playbooks", json.dumps(body).encode(), {"Content-Type": "application/json"}).status == 201
    )


def _playbooks(url: str) -> list[int]:
    found = asked(url, "/api/v1/playbooks?limit=10000").json()
    assert found["next"] is None
    return [int(playbook["path"].removeprefix("/runs/").removesuffix(".yml")) for playbook in found["results"]]


APPLICATIONS = {
    "ara": Application(_ara_version, _playbook, _playbooks, ("ARA_SECRET_KEY",)),
    "datasette": Application(_datasette_version, None, _ships),
    "pypiserver": Application(_pypiserver_version, _upload, _uploads),
}


@pytest.fixture(params=APPLICATIONS)
def name(request: pytest.FixtureRequest) -> str:
    """The application's name, which is its example's."""
    return str(request.param)


@pytest.fixture
def agent(tmp_path: Path, name: str) -> Iterator[RealAgent]:
    """An agent and the example's repository at its first version."""
    make_repository(name, tmp_path / "project", at="v1.0.0")
    made = RealAgent(tmp_path / "home", tmp_path / "project", name=name)
    with ended([made]):
        yield made


def pinned(agent: RealAgent) -> str:
    """Return the version of the application that the release checked out pins."""
    lines = (agent.project / "requirements.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{agent.name}==")).partition("==")[2].split()[0]


def more(there: Visitors, version: str) -> None:
    """Wait until a version has answered for a while, and something was written meanwhile."""
    seen, written = there.versions[version], len(there.written)
    until(lambda: there.versions[version] > seen + 20, within=20.0, what=f"{version} answers")
    until(lambda: there.writes_nothing or len(there.written) > written + 4, within=20.0, what="something is written")


def test_a_published_program_is_upgraded_under_load_and_comes_back(agent: RealAgent, name: str) -> None:
    """The next published version takes over, then the first comes back: no request is lost and all data is there."""
    application = APPLICATIONS[name]
    for secret in application.secrets:
        agent.secret("local", secret)
    assert agent.lading("deploy", "local").exit == 0
    first, url = pinned(agent), agent.url()
    with visitors(url, application.read, application.write) as there:
        more(there, first)
        git(agent.project, "checkout", "-q", "v1.1.0")
        told = agent.lading("deploy", "local")
        assert (told.exit, told.outcome, told.rollout["lost_requests"]) == (0, "succeeded", 0), told
        second = pinned(agent)
        more(there, second)
        back = agent.rollback()
        assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0), back
        more(there, first)
    assert there.lost == []
    assert set(there.versions) == {first, second}
    assert first != second
    assert sorted(application.kept(url)) == sorted(there.written)
    if name == "ara":
        assert "api.0020_add_status_and_timestamp_indexes, held " in told.said("migrate"), told.lines
