"""An application of several services on its whole road: user interface, API and scorer, configuration and files."""

import json
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

MEMO = "Proposal: we decided to move the archive. Cost: 40,000 EUR. Next steps: sign by 1 March. " + "More of it. " * 5


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent with all three releases of the example; none is deployed."""
    with released_example("memo", tmp_path_factory.mktemp("memo")) as agent:
        yield agent


def ask(url: str, path: str, given: object = None, method: str | None = None) -> Any:
    body = given if isinstance(given, bytes) else json.dumps(given).encode() if given is not None else None
    kind = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url + path, body, kind, method=method), timeout=10) as answer:
        return json.load(answer)


def rubric(ask: Ask) -> str:
    if b'<div id="app">' not in ask("GET", "/").body:
        raise ValueError("there was no page")
    return str(ask("GET", "/api/rubric").json()["version"])


def hand_in(ask: Ask, number: int) -> bool:
    body = json.dumps({"title": str(number), "text": MEMO}).encode()
    return ask("POST", "/api/memos", body, {"Content-Type": "application/json"}).status == 201


def scored(url: str, number: int) -> Any:
    """Wait for a memo's score, as the page does: by the stream of its events."""
    with urllib.request.urlopen(f"{url}/api/memos/{number}/events", timeout=20) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        told = events.read().decode().split("\n\n")
    assert told[0] == f"event: waiting\ndata: {number}"
    return json.loads(told[1].removeprefix("event: end\ndata: "))


def has_policy(url: str) -> bool:
    return "content-security-policy" in built_page(url).headers


@with_engine
def test_the_whole_road(agent: ContainerAgent) -> None:
    """Local, stage, production; the next release under traffic; a bad one that answers 200; and all of it back."""
    assert agent.deploy("v1.0.0").exit == 0
    assert agent.deploy("v1.0.0", "stage").exit == 0
    assert agent.lading("promote", "stage", "production").exit == 0
    url = agent.url("production")

    # Page, API and socket are one origin; a worker without a port scores; the visitor is known through the router.
    assert not has_policy(url)
    with connect(f"ws{url.removeprefix('http')}/api/live") as live:
        number = ask(url, "/api/memos", {"title": "Archive", "text": MEMO})["id"]
        told = scored(url, number)
        assert (told["state"], told["rubric"], told["visitor"]) == ("scored", "2026-01", "http 127.0.0.1")
        assert json.loads(live.recv(timeout=10)) == {"id": number, "title": "Archive", "score": 100}
    ask(url, f"/api/memos/{number}/attachments/plan.txt", b"a plan", "PUT")

    # Program, page and configurations change together, that of nginx among them.
    assert agent.deploy("v1.1.0", "stage").exit == 0
    with visitors(url, rubric, hand_in, per_second=30) as there:
        until(lambda: there.versions["2026-01"] > 10, within=20.0)
        promoted = agent.lading("promote", "stage", "production")
        assert (promoted.exit, promoted.outcome, promoted.rollout["lost_requests"]) == (0, "succeeded", 0), promoted
        until(lambda: there.versions["2026-02"] > 10, within=20.0)
    assert (there.lost, set(there.versions)) == ([], {"2026-01", "2026-02"})
    assert scored(url, ask(url, "/api/memos", {"title": "Archive", "text": MEMO})["id"])["rubric"] == "2026-02"
    assert has_policy(url)

    # It answers 200 to everything, and is unhealthy: its rubric makes no sense, which its own tests do not see.
    broken = agent.deploy("v1.2.0", "stage")
    assert (broken.exit, broken.outcome) == (4, "unwound"), broken
    assert "the weights add up to 110, not 100" in broken.error["happened"]
    assert agent.lading("promote", "stage", "production", "v1.2.0").exit == 3

    back = agent.rollback("production")
    assert (back.exit, back.outcome, back.rollout["lost_requests"]) == (0, "succeeded", 0), back
    assert ask(url, "/api/rubric")["version"] == "2026-01"
    assert not has_policy(url)
    assert ask(url, f"/api/memos/{number}/attachments") == {"plan.txt": 6}
    assert scored(url, ask(url, "/api/memos", {"title": "Archive", "text": MEMO})["id"])["rubric"] == "2026-01"

    # Each goes on where the one before ended, and so they are one test.
    then_services_find_each_other_and_files_are_theirs(agent)


def then_services_find_each_other_and_files_are_theirs(agent: ContainerAgent) -> None:
    """By name and alias within the release; configurations cannot be changed, the volume is the image's user's."""
    api = agent.container_of("api", "production")
    assert api["Config"]["User"] == "memo"
    mounts = {mount["Destination"]: mount["RW"] for mount in api["Mounts"]}
    assert (mounts["/app/config"], mounts["/srv/uploads"]) == (False, True)
    uploads = agent.home / "environments" / "memo" / "production" / "volumes" / "uploads"
    assert uploads.stat().st_uid == 10001
    web = agent.container_of("web", "production")
    kept = (web["Config"]["User"], web["HostConfig"]["ReadonlyRootfs"], web["Config"]["StopSignal"])
    assert kept == ("101", True, "SIGQUIT")
    assert {mount["Destination"]: mount["RW"] for mount in web["Mounts"]}["/etc/nginx/conf.d"] is False
    look = "import urllib.request; print(urllib.request.urlopen('http://backend:8000/health').status)"
    scorer = agent.container_of("scorer", "production")
    assert agent.inside(scorer, "python", "-c", look).strip() == "200"
