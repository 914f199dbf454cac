"""Questions, plans, workspaces, and what happens when a process dies in the middle."""

import time

import pytest
from fastapi.testclient import TestClient
from forge import main
from forge.plan import plan
from forge.questions import Unanswered, read
from forge.workspace import Workspaces

ANSWERS = {"name": "my-tool", "kind": "command"}


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setattr(main, "workspaces", Workspaces(tmp_path))
    with TestClient(main.app) as client:
        yield client


def forged(client, number, within=5.0):
    end = time.monotonic() + within
    while client.get(f"/workspaces/{number}").json()["state"] != "forged":
        assert time.monotonic() < end, "it was not forged in time"
        time.sleep(0.01)
    return client.get(f"/workspaces/{number}").json()


def test_every_wrong_answer_is_named():
    with pytest.raises(Unanswered) as caught:
        read({"name": "../etc", "kind": "virus", "tests": "yes", "colour": "red"})
    assert set(caught.value.problems) == {"name", "kind", "tests", "colour"}


def test_a_plan_is_the_same_for_the_same_answers_and_stays_inside():
    given = read({**ANSWERS, "about": 'It says "hello" \\ and more'})
    assert plan(given) == plan(given)
    assert all(not one["path"].startswith(("/", ".")) and ".." not in one["path"] for one in plan(given))
    for one in plan(given):
        if one["path"].endswith(".py"):
            compile(one["content"], one["path"], "exec")


def test_from_answers_to_files(client):
    assert client.post("/workspaces", json={"name": "?"}).status_code == 422
    made = client.post("/workspaces", json=ANSWERS).json()
    assert (made["state"], made["files"]) == ("planned", [])
    assert client.post(f"/workspaces/{made['id']}/forge").status_code == 202
    assert forged(client, made["id"])["files"] == sorted(made["plan"])
    assert client.get(f"/workspaces/{made['id']}/files/README.md").text.startswith("# my-tool")
    assert client.get(f"/workspaces/{made['id']}/files/../plan.json").status_code == 404
    assert client.get("/workspaces/nothing").status_code == 404
    assert [one["id"] for one in client.get("/workspaces").json()] == [made["id"]]


def test_the_story_is_a_stream_with_an_end(client):
    number = client.post("/workspaces", json=ANSWERS).json()["id"]
    client.post(f"/workspaces/{number}/forge")
    told = [line for line in client.get(f"/workspaces/{number}/events").text.split("\n\n") if line]
    assert told[-1].startswith("event: end")
    assert len(told) == len(plan(read(ANSWERS))) + 1


def test_a_shell_shows_what_is_there(client):
    number = client.post("/workspaces", json=ANSWERS).json()["id"]
    client.post(f"/workspaces/{number}/forge")
    forged(client, number)
    with client.websocket_connect(f"/workspaces/{number}/shell") as shell:
        shell.send_text("ls")
        assert "README.md" in shell.receive_text()
        shell.send_text("cat my_tool/main.py")
        assert "def main" in shell.receive_text()
        shell.send_text("cat ../plan.json")
        assert "there is no file" in shell.receive_text()


def test_what_one_process_began_the_next_ends(client, tmp_path):
    number = client.post("/workspaces", json=ANSWERS).json()["id"]
    begun = '{"event": "file", "path": "README.md", "bytes": 1}\n'
    (tmp_path / number / "story.jsonl").write_text(begun)
    assert client.get(f"/workspaces/{number}").json()["state"] == "forging"
    assert forged(client, number)["state"] == "forged"
    story = main.workspaces.story(number)
    assert [one["path"] for one in story if one["event"] == "file"].count("README.md") == 1


def test_it_is_ready_only_where_it_can_write(client, tmp_path, monkeypatch):
    assert client.get("/ready").status_code == 200
    monkeypatch.setattr(main, "workspaces", Workspaces(tmp_path / "nowhere"))
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
