"""HttpProber against programs that misbehave."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from lading.checks.prober import HttpProber
from lading.model.errors import LadingError
from lading.ports.prober import ProbeCount, ProbeTarget
from tests.support import until
from tests.support_http import Handler, Line, Request, Server, refusing_port, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def target(server: Server, per_second: float = 200.0, host: str | None = None, path: str = "/") -> ProbeTarget:
    return ProbeTarget(base_url=server.url, host=host, path=path, per_second=per_second)


def probed(server: Server, requests: int = 6, timeout: float = 5.0, per_second: float = 200.0) -> ProbeCount:
    prober = HttpProber(timeout=timeout)
    prober.start("1", target(server, per_second))
    until(lambda: prober.count("1").requests >= requests)
    return prober.stop("1")


def test_half_over_kept_connections(server: Server) -> None:
    """Every second request goes over one kept connection, each other over a new one, all with the Host header."""
    server.page("/ready", 200, b"x" * 100_000)
    prober = HttpProber()
    prober.start("1", target(server, 100.0, "shop.example.org", "/ready?x=1"))
    until(lambda: prober.count("1").requests >= 20)
    count = prober.stop("1")
    assert count.lost == 0
    assert len(server.requests) == count.requests
    # Half of them new, and the few kept ones.
    assert count.requests // 2 < server.connections <= count.requests // 2 + 3
    kinds = [request.headers["connection"] for request in server.requests]
    assert abs(kinds.count("keep-alive") - kinds.count("close")) <= 1
    assert {(request.target, request.headers["host"]) for request in server.requests} == {
        ("/ready?x=1", "shop.example.org")
    }


def test_slow_answers_delay_nothing(server: Server) -> None:
    """Requests go out on schedule while earlier ones wait for their answer, and stopping waits for these."""
    release = threading.Event()

    def slow(line: Line, _request: Request) -> None:
        release.wait(10.0)
        line.answer(200)

    server.pages["/"] = slow
    prober = HttpProber()
    prober.start("1", target(server, 100.0))
    began = time.monotonic()
    until(lambda: len(server.requests) >= 40)
    assert time.monotonic() - began < 2.0
    threading.Timer(0.05, release.set).start()
    count = prober.stop("1")
    assert count.requests >= 40
    assert count.lost == 0
    assert count.slowest >= 0.3


def _trickle(line: Line, _request: Request) -> None:
    line.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    line.trickle(b"x" * 1000, every=0.02)


def _hold(line: Line, _request: Request) -> None:
    line.hold(20.0)


@pytest.mark.parametrize("handler", [_trickle, _hold])
def test_time_limit_of_an_answer(server: Server, handler: Handler) -> None:
    """A request that is not wholly answered in time is lost, and stopping waits no longer than that."""
    server.pages["/"] = handler
    began = time.monotonic()
    count = probed(server, timeout=0.2)
    assert time.monotonic() - began < 2.0
    assert count.lost == count.requests
    assert count.first_loss == "no complete answer within 0.2 s"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "connection closed before an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "connection closed within the answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "connection closed within the answer"),
        (b"HTTP/1.1 200", "connection closed within the answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "a length that is no number"),
    ],
)
def test_what_is_lost(server: Server, answer: bytes, reason: str) -> None:
    """No answer, half an answer, something else than an answer, and 5xx are lost, with the reason in words."""
    server.pages["/"] = lambda line, _request: (line.raw(answer), line.hang_up())[1]
    count = probed(server)
    assert count.lost == count.requests
    assert count.first_loss == reason


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 Nothing\r\n\r\n",
        b"HTTP/1.1 401 Who\r\nContent-Length: 3\r\n\r\nwho",
        b"HTTP/1.1 302 There\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nhalf\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
        b"HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nup to the end",
    ],
)
def test_what_is_not_lost(server: Server, answer: bytes) -> None:
    """Any complete answer below 500 counts, however its length is told."""
    server.pages["/"] = lambda line, _request: line.last(answer)
    assert probed(server).lost == 0


def test_answers_in_pieces(server: Server) -> None:
    """An answer may come byte by byte."""

    def pieces(line: Line, _request: Request) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n":
            line.raw(bytes([byte]))

    server.pages["/"] = pieces
    assert probed(server).lost == 0


def test_reset(server: Server) -> None:
    """A reset connection is a lost request."""
    server.pages["/"] = lambda line, _request: line.reset()
    count = probed(server)
    assert count.lost == count.requests
    assert "closed before an answer" in count.first_loss


def test_nobody_listens() -> None:
    """Refused connections are lost requests, counted at the same rate."""
    prober = HttpProber()
    with refusing_port() as port:
        nowhere = ProbeTarget(base_url=f"http://127.0.0.1:{port}", host=None, path="/", per_second=100.0)
        prober.start("1", nowhere)
        until(lambda: prober.count("1").requests >= 5)
        count = prober.stop("1")
    assert count.lost == count.requests
    assert count.first_loss == "connection refused"


def test_forgotten_route(server: Server) -> None:
    """A 404 is lost where the target's first answer was another: the router has forgotten the route."""
    server.page("/", 200)
    prober = HttpProber()
    prober.start("1", target(server))
    until(lambda: len(server.requests) >= 3)
    assert prober.count("1").lost == 0
    del server.pages["/"]
    until(lambda: prober.count("1").lost > 0)
    assert prober.stop("1").first_loss == "404, where the first answer was 200"


def test_404_from_the_start(server: Server) -> None:
    """A target that says 404 from the start means it."""
    assert probed(server).lost == 0


def test_idle_connection_that_ends_loses_nothing(server: Server) -> None:
    """A kept connection that the server ends between two requests is replaced in silence."""
    server.pages["/"] = lambda line, _request: line.last(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert probed(server, requests=10).lost == 0
    assert server.connections == len(server.requests)


def test_rate(server: Server) -> None:
    """Requests are sent at the given rate, also when it is slow; stopping does not wait for the next."""
    server.page("/", 200)
    began = time.monotonic()
    requests = probed(server, requests=21, per_second=100.0).requests
    assert requests <= (time.monotonic() - began) * 100.0 + 1
    prober = HttpProber()
    prober.start("1", target(server, 0.01))
    until(lambda: prober.count("1").requests == 1)
    began = time.monotonic()
    prober.stop("1")
    assert time.monotonic() - began < 1.0
    prober.start("2", target(server, 0.0))
    assert prober.stop("2").requests == 0


@pytest.mark.parametrize("base_url", ["ftp://127.0.0.1:1", "127.0.0.1:nothing", ""])
def test_what_cannot_be_asked(base_url: str) -> None:
    """A target that the prober cannot ask is refused at once, rather than counted as lost."""
    prober = HttpProber()
    with pytest.raises(LadingError) as caught:
        prober.start("1", ProbeTarget(base_url=base_url, host=None, path="/", per_second=1.0))
    assert caught.value.code == "not-supported"
    assert prober.count("1") == ProbeCount()


def test_nothing_is_left(server: Server) -> None:
    """After a stop neither its thread nor its sockets are left."""
    server.page("/", 200)
    before = threading.active_count()
    probed(server)
    until(lambda: threading.active_count() <= before + 1, what="the prober's thread to end")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prober-")]


def test_address_is_a_name(server: Server) -> None:
    """A host name is looked up; one that nobody knows loses its requests."""
    server.page("/", 200)
    prober = HttpProber()
    by_name = ProbeTarget(base_url=f"http://localhost:{server.port}", host=None, path="/", per_second=100.0)
    if socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)[0][0] is not socket.AF_INET:
        pytest.skip("localhost is IPv6 first on this machine")
    prober.start("1", by_name)
    until(lambda: prober.count("1").requests >= 3)
    assert prober.stop("1").lost == 0
