"""HttpChecks.probe against programs that misbehave."""

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from lading.checks.http import HttpChecks
from lading.model.manifest import Probe
from lading.model.secret import Secret
from lading.ports.checks import Answer
from lading.ports.checks.expectations import BODY_LIMIT
from tests.support_http import Line, Request, Server, refusing_port, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def probe(server: Server, path: str = "/ready", **more: object) -> Answer:
    return HttpChecks().probe(server.address, Probe(path=path, **more))  # type: ignore[arg-type]


def test_host_header(server: Server) -> None:
    """The probe sends the configured Host, else the instance's address."""
    server.page("/ready")
    probe(server, host="shop.example.org")
    probe(server)
    assert [request.headers["host"] for request in server.requests] == ["shop.example.org", server.address]
    assert {request.method for request in server.requests} == {"GET"}


def test_nobody_listens() -> None:
    """A refused connection is said in words."""
    with refusing_port() as port:
        answer = HttpChecks().probe(f"127.0.0.1:{port}", Probe(path="/ready"))
    assert (answer.passed, answer.reason) == (False, "connection refused")


@pytest.mark.parametrize("address", ["", "127.0.0.1:notaport", "ftp://a:1", "[::1", "127.0.0.1:99999"])
def test_no_address(address: str) -> None:
    """What is no address fails the check; it does not raise."""
    answer = HttpChecks().probe(address, Probe(path="/ready"))
    assert not answer.passed
    assert "no address to ask" in answer.reason


def _whole_trickle(line: Line, _request: Request) -> None:
    line.trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100, every=0.02)


def _body_trickle(line: Line, _request: Request) -> None:
    line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
    line.trickle(b"x" * 200, every=0.02)


def _chunk_trickle(line: Line, _request: Request) -> None:
    line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    line.trickle(b"1\r\nx\r\n" * 50, every=0.02)


def _silence(line: Line, _request: Request) -> None:
    line.hold(30.0)


@pytest.mark.parametrize("handler", [_whole_trickle, _body_trickle, _chunk_trickle, _silence])
def test_timeout_is_hard(server: Server, handler: object) -> None:
    """The whole try ends at its time limit, however busily an answer trickles in."""
    server.pages["/ready"] = handler  # type: ignore[assignment]
    began = time.monotonic()
    answer = probe(server, timeout=0.3)
    assert time.monotonic() - began < 0.6
    assert not answer.passed
    assert "within the time limit" in answer.reason
    assert answer.seconds == pytest.approx(0.3, abs=0.2)


def test_broken_off(server: Server) -> None:
    """A reset, a close without answer and a body shorter than announced are no answers."""
    server.pages["/reset"] = lambda line, _request: line.reset()
    server.pages["/close"] = lambda line, _request: line.hang_up()
    server.pages["/short"] = lambda line, _request: (line.answer(200, b"half", length=8), line.hang_up())[1]
    server.pages["/chunk"] = lambda line, _request: (
        line.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        line.hang_up(),
    )[1]
    assert probe(server, "/reset").reason == "connection closed before an answer"
    assert probe(server, "/close").reason == "connection closed before an answer"
    assert probe(server, "/short").reason == "connection closed within the answer"
    assert probe(server, "/chunk").reason == "connection closed within the answer"


@pytest.mark.parametrize(
    "noise",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_no_http(server: Server, noise: bytes) -> None:
    """What is no HTTP fails the check, in words."""
    server.pages["/ready"] = lambda line, _request: (line.raw(noise), line.hang_up())[1]
    answer = probe(server)
    assert not answer.passed
    assert answer.reason


def test_json_that_is_none(server: Server) -> None:
    """A body that is no JSON, or no text at all, does not hold the wanted JSON."""
    for body in (b'{"status": "ok"', b"\xff\xfe\x00", b"", b"[" * 100_000):
        server.page("/ready", 200, body)
        answer = probe(server, json={"status": "ok"})
        assert not answer.passed
        assert "200, body is not JSON" in answer.reason


def test_big_body_is_bounded(server: Server) -> None:
    """Of a big body only the first part is read: enough for a status, too little to judge its JSON."""
    server.page("/ready", 200, b'"' + b"x" * (BODY_LIMIT * 3))
    assert probe(server).passed
    assert "too large" in probe(server, json="x").reason
    server.page("/ready", 500, b"x" * (BODY_LIMIT * 3))
    assert len(probe(server).reason) <= 300


def test_redirect_is_an_answer(server: Server) -> None:
    """A probe follows no redirect: where it leads is a part of the reason."""
    server.page("/ready", 302, headers=(("Location", "/login"),))
    server.page("/login", 200)
    assert probe(server).reason == "302 to /login"
    assert len(server.requests) == 1
    assert probe(server, status=(302,)).passed


def test_no_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies that the agent's environment names are not used."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.page("/ready")
    assert probe(server).passed


def test_known_secrets_are_masked(server: Server) -> None:
    """A program that prints its own secret on failure does not get it into a reason."""
    server.page("/ready", 500, b"cannot connect with password hunter2-and-more")
    checks = HttpChecks(known=lambda: [Secret("hunter2-and-more")])
    assert "hunter2" not in checks.probe(server.address, Probe(path="/ready")).reason


def test_path_is_sent_as_it_is_meant(server: Server) -> None:
    """A path with a query is sent whole; what may not stand in a request line is encoded."""
    for path in ("/ready?full=1&x=a%20b", "/ready/ü und b", "/ready\r\nX-Evil: 1"):
        probe(server, path)
    assert [request.target for request in server.requests] == [
        "/ready?full=1&x=a%20b",
        "/ready/%C3%BC%20und%20b",
        "/ready%0D%0AX-Evil:%201",
    ]


def test_standard_library_server() -> None:
    """An ordinary server, which closes after each answer and gives no length, is understood."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}')

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as plain:
        thread = threading.Thread(target=plain.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            address = f"127.0.0.1:{plain.server_address[1]}"
            assert HttpChecks().probe(address, Probe(path="/", json={"status": "ok"})).passed
        finally:
            plain.shutdown()
            thread.join()
