"""Dockerfiles beside a source that has none, a page and its API on one origin, a stage that asks for a login."""

import base64
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.containers import ContainerAgent, released_example, with_engine
from tests.pages import built_page
from tests.support import until
from tests.visitors import Ask, visitors

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]  # the first build fetches packages

LOGIN = f"anna:{secrets.token_hex(8)}"
SHOWN = {"Authorization": f"Basic {base64.b64encode(LOGIN.encode()).decode()}"}
ANSWERS = {"name": "my-tool", "kind": "command"}


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent with all three releases of the example; none is deployed."""
    with released_example("forge", tmp_path_factory.mktemp("forge")) as agent:
        yield agent


def ask(url: str, path: str, given: object = None, method: str | None = None, **headers: str) -> Any:
    body = json.dumps(given).encode() if given is not None else None
    asked = urllib.request.Request(url + path, body, {"Content-Type": "application/json", **headers}, method=method)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def refused(url: str, path: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(url, path)
    caught.value.close()
    return caught.value.code


def release(ask: Ask) -> str:
    if b'data-api="/api"' not in ask("GET", "/").body:
        raise ValueError("there was no page")
    return str(ask("GET", "/api/status").json()["release"])


def make(ask: Ask, number: int) -> bool:
    body = json.dumps({**ANSWERS, "name": f"tool-{number}"}).encode()
    return ask("POST", "/api/workspaces", body, {"Content-Type": "application/json"}).status == 201


def forge(url: str, answers: dict[str, object]) -> tuple[str, list[str]]:
    """Make a workspace, have it forged, and return it with the files its stream of events told of."""
    number = ask(url, "/api/workspaces", answers)["id"]
    ask(url, f"/api/workspaces/{number}/forge", method="POST")
    with urllib.request.urlopen(f"{url}/api/workspaces/{number}/events", timeout=20) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        told = [json.loads(line[6:]) for line in events.read().decode().split("\n") if line.startswith("data: ")]
    assert told[-1]["event"] == "end"
    return number, sorted(one["path"] for one in told[:-1])


@with_engine
def test_the_whole_road(agent: ContainerAgent) -> None:
    """Local, stage behind its login, production; the next release under traffic; a bad one; and all of it back."""
    assert agent.deploy("v1.0.0").exit == 0
    assert agent.deploy("v1.0.0", "stage").error["code"] == "secret-missing"
    agent.secret("stage", "STAGE_LOGIN", LOGIN)
    staged = agent.deploy("v1.0.0", "stage")
    assert (staged.exit, staged.outcome) == (0, "succeeded"), staged

    # Behind the login every path is closed, whoever serves it; the program never sees who logged in.
    stage = agent.url("stage")
    assert {refused(stage, path) for path in ("/", "/api/status", "/api/health", "/assets/none")} == {401}
    seen = ask(stage, "/api/status", **SHOWN)
    assert (seen["release"], seen["authorization"]) == ("v1.0.0", "")
    assert agent.lading("promote", "stage", "production").exit == 0

    # Page, interface, stream and socket are one origin; what is forged lies on a volume.
    url = agent.url("production")
    assert b'data-api="/api"' in built_page(url).body
    number, files = forge(url, ANSWERS)
    with connect(f"ws{url.removeprefix('http')}/api/workspaces/{number}/shell") as shell:
        shell.send("ls")
        assert str(shell.recv(timeout=10)).splitlines() == files

    assert agent.deploy("v1.1.0", "stage").exit == 0
    with visitors(url, release, make, per_second=30) as there:
        until(lambda: there.versions["v1.0.0"] > 10, within=20.0)
        promoted = agent.lading("promote", "stage", "production")
        assert (promoted.exit, promoted.outcome, promoted.rollout["lost_requests"]) == (0, "succeeded", 0), promoted
        until(lambda: there.versions["v1.1.0"] > 10, within=20.0)
    assert (there.lost, set(there.versions)) == ([], {"v1.0.0", "v1.1.0"})
    assert ".github/workflows/check.yml" in forge(url, {**ANSWERS, "ci": True})[1]

    # Its page asks somebody's laptop, which its own tests do not see.
    broken = agent.deploy("v1.2.0", "stage")
    assert (broken.exit, broken.outcome, broken.error["code"]) == (4, "unwound", "smoke-failed"), broken
    assert "the page asks its own origin" in broken.error["doing"]
    assert agent.lading("promote", "stage", "production", "v1.2.0").exit == 3

    back = agent.rollback("production")
    assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0), back
    assert ask(url, "/api/status")["release"] == "v1.0.0"
    assert ask(url, f"/api/workspaces/{number}")["files"] == files
