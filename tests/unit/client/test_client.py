"""The client against agents that answer strangely, break off, or are not there."""

import http.server
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.client.address import Address, parse_address
from lading.client.agent import Agent, AgentError, StreamLost
from lading.client.follow import follow
from lading.client.transfer import find_release
from lading.model.errors import LadingError
from lading.model.interface import API_HEADER, API_VERSION
from tests.support_agent import ShortDirectory

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[socket.socket, Any]:
        request, _ = super().get_request()
        return request, ("client", 0)


@contextmanager
def answering(path: Path, answer: Answer) -> Iterator[list[str]]:
    """Answer every request on a socket with a function; yield the list of what was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            asked.append(f"{self.command} {self.path}")
            self.close_connection = True
            answer(self)

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def say(body: bytes, status: int = 200, api: str = API_VERSION, length: int | None = None) -> Answer:
    """Return an answer with a body; ``length`` may promise more than is sent."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header(API_HEADER, api)
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.fixture
def path() -> Iterator[Path]:
    with ShortDirectory() as directory:
        yield directory / "agent.sock"


def agent_on(path: Path, start: Callable[[], None] | None = None) -> Agent:
    return Agent(Address(path, local=False), start)


def test_an_agent_of_another_version_is_refused(path: Path) -> None:
    """Client and agent of different interface versions say so instead of misunderstanding each other."""
    with answering(path, say(b"{}", api="99")), pytest.raises(LadingError) as refused:
        agent_on(path).get("/v1/agent")
    assert refused.value.code == "agent-refused"
    assert "99" in str(refused.value)


def test_something_else_on_the_socket_is_refused(path: Path) -> None:
    """An HTTP server that is no agent is not talked to."""
    with answering(path, say(b"<html>", status=404, api="")), pytest.raises(LadingError) as refused:
        agent_on(path).get("/v1/agent")
    assert refused.value.code == "agent-refused"


def test_an_error_of_the_agent_keeps_its_code_and_answer(path: Path) -> None:
    """Errors travel whole; what came beside them is kept."""
    error = LadingError("busy", happened="bob deploys", hint="wait").to_plain()
    body = json.dumps({"error": error, "rollout": {"id": None}}).encode()
    with answering(path, say(body, status=409)), pytest.raises(AgentError) as told:
        agent_on(path).post("/v1/rollouts", {})
    assert (told.value.code, told.value.exit_status) == ("busy", 6)
    assert told.value.answer["rollout"] == {"id": None}


def test_an_error_without_a_text_of_its_own_is_unexpected(path: Path) -> None:
    """A bare 500 is told with its status."""
    with answering(path, say(b"oops", status=500)), pytest.raises(LadingError) as told:
        agent_on(path).get("/v1/agent")
    assert told.value.code == "unexpected"
    assert "500" in told.value.happened


@pytest.mark.parametrize("body", [b'{"a": 1', b"no json"])
def test_a_broken_answer_is_an_unreachable_agent(path: Path, body: bytes) -> None:
    """An answer that breaks off, or is no JSON, says that accepted work goes on."""
    with answering(path, say(body, length=100)), pytest.raises(LadingError) as told:
        agent_on(path).get("/v1/agent")
    assert told.value.code == "agent-unreachable"
    assert "goes on" in told.value.now


def test_nobody_there_is_told_by_its_kind(path: Path) -> None:
    """A missing socket and a left-over one are told apart."""
    with pytest.raises(LadingError, match="there is no socket"):
        agent_on(path).get("/v1/agent")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with pytest.raises(LadingError, match="left over"):
        agent_on(path).get("/v1/agent")


def test_an_agent_that_does_not_run_is_started_once(path: Path) -> None:
    """``start`` is called when nobody listens, and then the request is made."""
    started = []
    with pytest.raises(LadingError):
        agent_on(path, lambda: started.append(1)).get("/v1/agent")
    assert started == [1]


def test_long_paths_of_sockets_are_reached(path: Path) -> None:
    """The kernel's limit of 108 bytes is no limit of a home."""
    deep = path.parent / ("d" * 120)
    deep.mkdir()
    path.parent.joinpath("s").symlink_to(deep)
    with answering(path.parent / "s" / "agent.sock", say(b'{"name": "deep"}')):
        assert agent_on(deep / "agent.sock").get("/v1/agent") == {"name": "deep"}


def test_a_stream_that_falls_silent_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents send empty lines while nothing happens: one that sends nothing at all is frozen."""
    monkeypatch.setattr("lading.client.agent.SILENCE_TIMEOUT", 0.05)
    over = threading.Event()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        say(b'{"event": {"seq": 1}}\n', length=1000)(handler)
        over.wait(5)

    with answering(path, answer):
        stream = agent_on(path).stream("GET", "/v1/rollouts/1/events")
        assert next(stream) == {"event": {"seq": 1}}
        with pytest.raises(StreamLost):
            next(stream)
        over.set()


def test_an_error_line_of_a_stream_is_raised(path: Path) -> None:
    """A build that fails after its first lines ends with its own error."""
    error = LadingError("unpinned", happened="flask is not pinned").to_plain()
    body = b'{"event": {}}\n\n' + json.dumps({"error": error}).encode() + b"\n"
    with answering(path, say(body)), pytest.raises(AgentError, match="not pinned"):
        list(agent_on(path).stream("POST", "/v1/releases/shop/v1", b"x"))


def test_following_takes_up_where_the_stream_broke_off(path: Path) -> None:
    """No event is lost or told twice when the agent dies and comes back."""
    bodies = [b'{"event": {"seq": 1}}\n{"event": {"seq": 2}}\n', b'{"event": {"seq": 3}}\n{"rollout": {}}\n']

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        body = bodies.pop(0)
        say(body, length=len(body) + len(bodies))(handler)

    with answering(path, answer) as asked:
        lines = list(follow(agent_on(path), 7))
    assert [line["event"]["seq"] for line in lines[:-1]] == [1, 2, 3]
    assert asked == [
        "GET /v1/rollouts/7/events?follow=1",
        "GET /v1/rollouts/7/events?after=2&follow=1",
    ]


def test_following_gives_up_when_the_agent_stays_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the limit the person hears that the rollout itself goes on without them."""
    monkeypatch.setattr("lading.client.follow.LOST_AGENT_LIMIT", 0.0)
    with pytest.raises(LadingError) as told:
        list(follow(agent_on(path), 7))
    assert told.value.code == "agent-unreachable"


def test_following_a_rollout_that_is_not_known_ends_at_once(path: Path) -> None:
    """What the agent refuses is not asked again and again."""
    body = json.dumps({"error": LadingError("unknown-rollout", happened="no").to_plain()}).encode()
    with answering(path, say(body, status=404)) as asked, pytest.raises(AgentError):
        list(follow(agent_on(path), 7))
    assert len(asked) == 1


def test_an_agent_that_is_too_old_to_be_sent_a_release_is_named(path: Path) -> None:
    """An agent from before releases travelled in pieces refuses the question, and the person hears what to do."""
    refusal = json.dumps({"error": LadingError("usage", happened="Method Not Allowed").to_plain()}).encode()
    with answering(path, say(refusal, status=405)), pytest.raises(LadingError, match="older than this command") as told:
        agent_on(path).missing({"sha256:0": 1})
    assert told.value.code == "agent-refused"
    path.unlink()
    full = json.dumps({"error": LadingError("no-space", happened="full").to_plain()}).encode()
    with answering(path, say(full, status=507)), pytest.raises(AgentError, match="full"):
        agent_on(path).missing({"sha256:0": 1})


@pytest.mark.parametrize("status", [404, 405])
def test_whatever_an_older_agent_does_not_know_is_told_so(path: Path, status: int) -> None:
    """A newer command asks for something new: not its mistake, and the remedy is to bring the agent on."""
    refusal = json.dumps({"error": LadingError("usage", doing="POST /v1/new", happened="Not Found").to_plain()})
    with answering(path, say(refusal.encode(), status=status)), pytest.raises(LadingError) as told:
        list(agent_on(path).stream("POST", "/v1/new", b"{}"))
    assert (told.value.code, told.value.exit_status) == ("agent-refused", 7)
    assert "POST /v1/new" in told.value.doing


def test_a_release_that_is_not_known_is_none(path: Path) -> None:
    """Absence is an answer, other errors are errors."""
    absent = json.dumps({"error": LadingError("unknown-release", happened="no").to_plain()}).encode()
    with answering(path, say(absent, status=404)):
        assert find_release(agent_on(path), "shop", "v1") is None


@pytest.mark.parametrize(
    ("host", "socket_path"),
    [
        ("unix:///srv/stage/agent.sock", "/srv/stage/agent.sock"),
        ("unix:///srv/stage", "/srv/stage/agent.sock"),
        ("unix:///srv/with%20space", "/srv/with space/agent.sock"),
    ],
)
def test_addresses_name_sockets_or_homes(host: str, socket_path: str) -> None:
    """``unix://`` takes the socket itself or the directory that holds it."""
    assert str(parse_address(host).socket) == socket_path


@pytest.mark.parametrize(
    ("host", "code"),
    [("https://b", "not-supported"), ("unix://relative", "usage"), ("b", "usage")],
)
def test_other_addresses_are_refused(host: str, code: str) -> None:
    """What cannot be reached is refused by name."""
    with pytest.raises(LadingError) as refused:
        parse_address(host)
    assert refused.value.code == code


def test_ones_own_agent_is_local_by_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that names one's own home is started on demand like no address at all."""
    monkeypatch.setenv("LADING_HOME", "/srv/mine")
    assert parse_address(None) == parse_address("unix:///srv/mine")
    assert parse_address(None).local
    assert not parse_address("unix:///srv/other").local


def test_a_relative_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would mean another agent in every directory, and lie in the repository that it is used in."""
    monkeypatch.setenv("LADING_HOME", "home")
    with pytest.raises(LadingError, match='export LADING_HOME="\\$PWD/home"') as refused:
        parse_address(None)
    assert refused.value.code == "usage"
