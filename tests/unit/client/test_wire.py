"""HTTP over a Unix socket: what is sent, and what is made of every kind of answer."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lading.client.wire import Answer, Body, NotHttp, UnixConnection
from tests.support_agent import ShortDirectory

HEAD = b"HTTP/1.1 200 OK\r\nlading-api: 1\r\n"
Ask = Callable[..., Answer]


class Listener:
    """Takes one connection, keeps what was sent, and answers with bytes made beforehand, piece by piece."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieces: list[bytes] = []
        self.asked = b""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        line, _ = self._listener.accept()
        with line:
            while not self._whole():
                self.asked += line.recv(1 << 16)
            for piece in self.pieces:
                line.sendall(piece)

    def _whole(self) -> bool:
        head, ended, body = self.asked.partition(b"\r\n\r\n")
        if b"Transfer-Encoding" in head:
            return body.endswith(b"0\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return bool(ended) and len(body) == int(length or 0)

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with ShortDirectory() as place:
        listener = Listener(place / "agent.sock")
        yield listener
        listener.close()


@pytest.fixture
def ask(listener: Listener) -> Iterator[Ask]:
    connection = UnixConnection(listener.path, 5.0)

    def ask(method: str = "GET", body: Body = None, answer: tuple[bytes, ...] = ()) -> Answer:
        listener.pieces = list(answer)
        connection.connect()
        connection.request(method, "/v1/agent", body, {"Connection": "close"})
        return connection.answer()

    yield ask
    connection.close()


def test_an_answer_has_status_headers_and_body(ask: Ask, listener: Listener) -> None:
    """The head is read whole, names of headers by lower case; the body is as long as was said."""
    answer = ask(answer=(b"HTTP/1.1 404 Not Found\r\nLading-Api:  1 \r\nContent-Length: 5\r\n\r\nhello, and more",))
    assert (answer.status, answer.reason, answer.headers["lading-api"]) == (404, "Not Found", "1")
    assert answer.body.read() == b"hello"
    assert listener.asked == b"GET /v1/agent HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"


def test_what_comes_before_the_answer_is_passed_over(ask: Ask) -> None:
    """An interim answer is not the answer."""
    answer = ask(answer=(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n", HEAD + b"content-length: 2\r\n\r\nok"))
    assert (answer.status, answer.body.read()) == (200, b"ok")


def test_chunks_are_put_together(ask: Ask) -> None:
    """A chunked body is read over its chunks, their extensions and what trails."""
    pieces = (b"transfer-encoding: chunked\r\n\r\n4;x=y\r\nab\nc\r\n", b"3\r\n\nde\r\n", b"0\r\ntrailer: z\r\n\r\n")
    assert ask(answer=(HEAD, *pieces)).body.read() == b"ab\nc\nde"


def test_lines_come_as_they_are_sent(ask: Ask, listener: Listener) -> None:
    """A line of a stream is there before the next one is sent."""
    answer = ask(answer=(HEAD + b"transfer-encoding: chunked\r\n\r\n2\r\n1\n\r\n2\r\n2\n\r\n0\r\n\r\n",))
    assert list(answer.body) == [b"1\n", b"2\n"]


def test_without_a_length_the_body_ends_with_the_connection(ask: Ask) -> None:
    """As servers of old do."""
    assert ask(answer=(HEAD + b"\r\n", b"all ", b"of it")).body.read() == b"all of it"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_some_answers_have_no_body(ask: Ask, method: str, status: int) -> None:
    """Whatever their headers say."""
    answer = ask(method, answer=(f"HTTP/1.1 {status} X\r\ncontent-length: 5\r\n\r\n".encode(),))
    assert (answer.status, answer.body.read()) == (status, b"")


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 200",),
        (HEAD,),
        (b"220 mail ready\r\n",),
        (b"HTTP/1.1 OK\r\n\r\n",),
        (b"x" * (1 << 17),),
        (HEAD + b"".join(b"h%d: 1\r\n" % number for number in range(300)) + b"\r\n",),
    ],
)
def test_what_is_no_answer_is_refused(ask: Ask, pieces: tuple[bytes, ...]) -> None:
    """A head that breaks off, is of something else, or has no end."""
    with pytest.raises(NotHttp):
        ask(answer=pieces)


@pytest.mark.parametrize(
    "rest",
    [
        b"content-length: 9\r\n\r\nshort",
        b"content-length: many\r\n\r\nx",
        b"transfer-encoding: chunked\r\n\r\n9\r\nshort",
        b"transfer-encoding: chunked\r\n\r\n3\r\nabc",
        b"transfer-encoding: chunked\r\n\r\n3\r\nabcdef\r\n",
        b"transfer-encoding: chunked\r\n\r\nthree\r\nabc\r\n",
    ],
)
def test_a_body_that_breaks_off_is_no_body(ask: Ask, rest: bytes) -> None:
    """A cut answer never passes for a whole one."""
    with pytest.raises(NotHttp):
        ask(answer=(HEAD + rest,)).body.read()


@pytest.mark.parametrize(
    ("method", "body", "sent"),
    [
        ("POST", b'{"a": 1}', b'Content-Length: 8\r\n\r\n{"a": 1}'),
        ("POST", None, b"Content-Length: 0\r\n\r\n"),
        ("PUT", iter([b"ab", b"", b"c"]), b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
    ],
)
def test_bodies_are_sent_with_their_length_or_in_chunks(
    ask: Ask, listener: Listener, method: str, body: Body, sent: bytes
) -> None:
    """Bytes have a length; of a stream nobody knows it beforehand, and an empty piece must not end it."""
    ask(method, body, answer=(HEAD + b"content-length: 0\r\n\r\n",)).body.read()
    assert listener.asked.endswith(b"Connection: close\r\n" + sent)


def test_a_file_is_sent_in_pieces(ask: Ask, listener: Listener, tmp_path: Path) -> None:
    """A file is not read into memory as a whole."""
    (tmp_path / "blob").write_bytes(b"x" * 70_000)
    with (tmp_path / "blob").open("rb") as blob:
        ask("PUT", blob, answer=(HEAD + b"content-length: 0\r\n\r\n",))
    assert b"10000\r\nxxx" in listener.asked
    assert b"1170\r\nxxx" in listener.asked


def test_an_agent_that_does_not_answer_in_time_is_told(listener: Listener) -> None:
    """The time limit holds for each wait."""
    connection = UnixConnection(listener.path, 0.05)
    connection.connect()
    with pytest.raises(TimeoutError):
        connection.answer()
    connection.request("GET", "/", None, {})
    connection.close()
