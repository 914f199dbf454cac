"""An application whose entry point migrates and listens to nobody, on its whole road, into production as a canary."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.make_repository import make_repository

from lading.build.builders import has_buildkit
from tests.containers import ContainerAgent, released_example, with_engine
from tests.support import until
from tests.visitors import Ask, visitors

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]  # the first build fetches packages

SECRETS = {"OPERATOR_PASSWORD": "operator-5c1e77", "TOKEN_KEY": "key-0f2b91"}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent with all three releases of the example; none is deployed."""
    home = tmp_path_factory.mktemp("forecast")
    with released_example("forecast", home, classic=not has_buildkit()) as agent:
        for name, value in SECRETS.items():
            for environment in ("local", "stage", "production"):
                agent.secret(environment, name, value)
        yield agent


def call(url: str, path: str, given: object = None, method: str | None = None, token: str = "") -> Any:
    body = json.dumps(given).encode() if given is not None else None
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers, method=method), timeout=10) as answer:
        return json.load(answer)


def ahead(ask: Ask) -> str:
    told = ask("GET", "/api/v1/series/sales/forecast?horizon=2").json()
    assert told["forecast"] == [20, 22]
    return str(told["release"])


@with_engine
def test_the_whole_road(agent: ContainerAgent) -> None:
    """Local, stage, production; the next release share by share; one that trips over what was kept; and back."""
    assert agent.deploy("v1.0.0").exit == 0
    assert agent.deploy("v1.0.0", "stage").exit == 0
    assert agent.lading("promote", "stage", "production").exit == 0
    url = agent.url("production")
    login = {"user": "operator", "password": SECRETS["OPERATOR_PASSWORD"]}
    token = call(url, "/api/v1/auth/login", login)["access_token"]
    call(url, "/api/v1/series/sales", {"points": [10, 12, 14, 16, 18]}, "PUT", token)

    assert agent.deploy("v1.1.0", "stage").exit == 0
    with visitors(url, ahead, None, per_second=30) as there:
        until(lambda: there.versions["v1.0.0"] > 10, within=20.0)
        promoted = agent.lading("promote", "stage", "production")
        assert (promoted.exit, promoted.outcome, promoted.rollout["lost_requests"]) == (0, "succeeded", 0), promoted
        assert [step["subject"] for step in promoted.rollout["steps"] if step["name"] == "canary"] == ["20 %", "50 %"]
    assert (there.lost, set(there.versions)) == ([], {"v1.0.0", "v1.1.0"})
    # Logged in before, and known after: the key is the environment's.
    status = call(url, "/api/v1/system/status", token=token)
    assert (status["release"], status["series"]) == ("v1.1.0", 1)
    assert status["asked"]["sales"] > 0

    # Its tests pass, for their cache is always new; on stage it meets what releases before it have kept.
    broken = agent.deploy("v1.2.0", "stage")
    assert (broken.exit, broken.outcome) == (4, "unwound"), broken
    assert "a straight line goes on" in broken.error["doing"]
    assert "KeyError: 'state'" in str(broken.error["details"])
    assert agent.lading("promote", "stage", "production", "v1.2.0").exit == 3

    # An image of v1.0.0 could not even start on today's schema; the one that still runs takes over again.
    back = agent.rollback("production")
    assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0), back
    assert "start" in {step["name"] for step in back.rollout["steps"]}
    assert call(url, "/api/v1/series/sales/forecast?horizon=2")["release"] == "v1.0.0"


@with_engine
@pytest.mark.skipif(has_buildkit(), reason="BuildKit is here, and does it")
def test_the_classic_builder_says_which_line_it_cannot_do(agent: ContainerAgent, tmp_path: Path) -> None:
    """A Dockerfile with a cache is refused by file and line, before anything is built."""
    make_repository("forecast", tmp_path / "made")
    project, agent.project = agent.project, tmp_path / "made"
    try:
        refused = agent.lading("release")
    finally:
        agent.project = project
    assert (refused.exit, refused.error["code"]) == (2, "build-failed"), refused
    assert any("Dockerfile:7  RUN --mount" in line for line in refused.error["details"]), refused
