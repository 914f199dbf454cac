"""What the memo application does, asked as its visitors ask it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from memo.database import Database
from memo.judge import JudgeError, judge_from
from memo.main import make_app
from memo.rubric import RubricError, read_rubric
from memo.scoring import score
from memo.settings import Settings
from memo.worker import work
from starlette.testclient import TestClient

RUBRIC = """
version  = "test"
shortest = 4

[[criteria]]
name   = "decision"
weight = 60
signs  = ["proposal", "decided"]
advice = "say what was decided"

[[criteria]]
name   = "figures"
weight = 40
signs  = ['\\d']
advice = "give figures"
"""
MEMO = "Proposal: we decided to buy 2 of them."


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "config").mkdir()
    (tmp_path / "uploads").mkdir()
    (tmp_path / "config" / "rubric.toml").write_text(RUBRIC)
    return Settings(tmp_path / "memo.db", tmp_path / "config", tmp_path / "uploads")


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(make_app(settings)) as client:
        yield client


def test_health_is_in_the_answer_not_in_the_status(client: TestClient, settings: Settings) -> None:
    """It answers 200 while the rubric cannot be used, and says what is wrong."""
    assert client.get("/health").json()["status"] == "healthy"
    (settings.config / "rubric.toml").write_text(RUBRIC.replace("60", "70"))
    told = client.get("/health")
    assert (told.status_code, told.json()["status"]) == (200, "unhealthy")
    assert told.json()["checks"]["rubric"] == "rubric.toml: the weights add up to 110, not 100"


def test_a_memo_is_scored_by_the_worker(client: TestClient, settings: Settings) -> None:
    """Handed in, it waits; scored, it has a sum, its parts and advice for what is missing."""
    number = client.post("/memos", json={"title": "Boxes", "text": "Proposal: buy some of them."}).json()["id"]
    assert client.get(f"/memos/{number}").json()["state"] == "waiting"
    database, rubric = Database(settings.database), read_rubric(settings.config)
    assert work(database, rubric, None)
    assert not work(database, rubric, None)
    memo = client.get(f"/memos/{number}").json()
    assert (memo["state"], memo["score"], memo["scorer"], memo["rubric"]) == ("scored", 30, "rules", "test")
    assert [part["reason"] for part in memo["criteria"]] == ["say what was decided", "give figures"]
    assert client.get("/memos").json()[0]["id"] == number


def test_a_score_is_the_same_every_time(settings: Settings) -> None:
    """Rules alone: a full score, part of one, and none for what is no memo."""
    rubric = read_rubric(settings.config)
    assert [score(MEMO, rubric).score for _ in range(3)] == [100, 100, 100]
    assert score("decided 2", rubric).score == 0


def test_events_end_with_the_score(client: TestClient, settings: Settings) -> None:
    """Who waits for a memo is told once it is scored, and not before."""
    number = client.post("/memos", json={"title": "Boxes", "text": MEMO}).json()["id"]
    database, rubric = Database(settings.database), read_rubric(settings.config)
    timer = threading.Timer(0.3, work, (database, rubric, None))
    timer.start()
    lines = client.get(f"/memos/{number}/events").text.split("\n")
    timer.join()
    assert lines[:2] == ["event: waiting", f"data: {number}"]
    assert json.loads(lines[4].removeprefix("data: "))["score"] == 100


def test_a_socket_tells_of_each_score(client: TestClient, settings: Settings) -> None:
    """Of those from now on."""
    database, rubric = Database(settings.database), read_rubric(settings.config)
    database.add("Old", MEMO, "")
    work(database, rubric, None)
    with client.websocket_connect("/live") as socket:
        number = database.add("New", MEMO, "")
        work(database, rubric, None)
        assert socket.receive_json() == {"id": number, "title": "New", "score": 100}


def test_attachments_are_kept(client: TestClient, settings: Settings) -> None:
    """By plain names only, and not too large."""
    number = client.post("/memos", json={"title": "Boxes", "text": MEMO}).json()["id"]
    assert client.put(f"/memos/{number}/attachments/plan.txt", content=b"a plan").json()["bytes"] == 6
    assert client.get(f"/memos/{number}/attachments").json() == {"plan.txt": 6}
    assert (settings.uploads / str(number) / "plan.txt").read_bytes() == b"a plan"
    assert client.put(f"/memos/{number}/attachments/..", content=b"").status_code in (404, 405, 422)
    assert client.put(f"/memos/{number}/attachments/a%20b", content=b"").status_code == 422
    assert client.put("/memos/99/attachments/plan.txt", content=b"").status_code == 404


@pytest.mark.parametrize("text", ["", "version = 1", RUBRIC.replace('["proposal", "decided"]', "[]"), "a = ("])
def test_a_rubric_that_makes_no_sense_is_refused(settings: Settings, text: str) -> None:
    """With the name of the file."""
    (settings.config / "rubric.toml").write_text(text)
    with pytest.raises(RubricError, match=r"rubric\.toml"):
        read_rubric(settings.config)


class Model(BaseHTTPRequestHandler):
    """A language model that says what a test wants it to."""

    says = ""
    asked: list[dict[str, Any]]

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"key": self.headers["Authorization"], **content})
        body = json.dumps({"choices": [{"message": {"content": self.says}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[type[Model]]:
    Model.asked = []
    server = HTTPServer(("127.0.0.1", 0), Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Model.url = f"http://127.0.0.1:{server.server_port}/v1"  # type: ignore[attr-defined]
    yield Model
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_scores_where_there_is_a_key(settings: Settings, model: Any) -> None:
    """It is asked with the rubric, and no answer of its goes beyond a criterion's weight."""
    model.says = json.dumps(
        {"criteria": {"decision": {"points": 99, "reason": "clear"}, "figures": {"points": 5, "reason": "few"}}}
    )
    judge = judge_from(settings._replace(judge_key="key-4711", judge_url=model.url, judge_model="small"))
    given = score(MEMO, read_rubric(settings.config), judge)
    assert (given.score, given.scorer) == (65, "small")
    (asked,) = model.asked
    assert (asked["key"], asked["model"], asked["temperature"]) == ("Bearer key-4711", "small", 0)
    assert asked["messages"][1]["content"] == MEMO


def test_a_model_that_talks_gives_no_score(settings: Settings, model: Any) -> None:
    """The memo is failed with a reason; what was said is not taken for a score, and the key is not told."""
    model.says = "I like it."
    settings = settings._replace(judge_key="key-4711", judge_url=model.url)
    database, rubric, judge = Database(settings.database), read_rubric(settings.config), judge_from(settings)
    number = database.add("Boxes", MEMO, "")
    assert work(database, rubric, judge)
    memo = database.get(number)
    assert memo is not None
    assert (memo["state"], memo["reason"]) == ("failed", "the model's answer is no score: JSONDecodeError")
    with pytest.raises(JudgeError) as refused:
        score(MEMO, rubric, judge_from(settings._replace(judge_url="http://127.0.0.1:9/v1")))
    assert "key-4711" not in str(refused.value)
