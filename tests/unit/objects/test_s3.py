"""Stores that are not as the usual one: foreign digests, changed bytes, refusals, other people's variables."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lading.model.environment_table import ObjectStore
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.objects.s3 import S3Objects
from lading.ports.objects import Opened

CONTENT = b"0123456789" * 100
DENIED = b"<Error><Code>SignatureDoesNotMatch</Code><Message>The signature is another</Message></Error>"


class Odd(ThreadingHTTPServer):
    """A store with a will of its own: ``tag`` is what it calls every object, ``change`` what it makes of what it gets,
    ``status`` what it answers instead of storing.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tag = ""
        self.change = bytes
        self.status = 200
        self.kept: dict[str, bytes] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def at(self) -> Opened:
        store = ObjectStore(store="s3://kept/below", endpoint=f"http://127.0.0.1:{self.server_port}", region="here")
        return Opened(store, Secret("id-4711-id"), Secret("key-4711-key"))


class _Handler(BaseHTTPRequestHandler):
    server: Odd

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.kept[self.path] = self.server.change(content)
        self._answer(self.server.status, DENIED if self.server.status != 200 else b"")

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        content = self.server.kept.get(self.path)
        if content is None:
            self._answer(404, b"")
        elif "Range" in self.headers:
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last) + 1]
            self._answer(206, part, f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}")
        else:
            self._answer(200, content)

    def _answer(self, status: int, content: bytes, span: str = "") -> None:
        self.server.asked.append((self.command, dict(self.headers)))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", f'"{self.server.tag or hashlib.md5(content).hexdigest()}"')
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def odd() -> Iterator[Odd]:
    with Odd() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def put(odd: Odd, content: bytes = CONTENT) -> str:
    return S3Objects().put(odd.at, "below/a", len(content), lambda: [content]).sha256


def refusal(odd: Odd, content: bytes = CONTENT) -> LadingError:
    with pytest.raises(LadingError) as raised:
        put(odd, content)
    assert raised.value.code == "store-failed"
    assert "4711" not in f"{raised.value} {raised.value.__cause__!r}"
    return raised.value


def test_a_usual_digest_proves_an_object_without_reading_it(odd: Odd) -> None:
    """Nothing is fetched back from a store whose tags are digests."""
    assert put(odd) == hashlib.sha256(CONTENT).hexdigest()
    assert [command for command, _ in odd.asked] == ["HEAD", "PUT", "HEAD"]


def test_an_object_with_a_foreign_tag_is_read_back(odd: Odd) -> None:
    """A store that encrypts calls objects otherwise: what it holds is read and held against what was sent."""
    odd.tag = "0" * 32
    assert put(odd) == hashlib.sha256(CONTENT).hexdigest()
    assert odd.asked[-1][0] == "GET"
    assert put(odd) == hashlib.sha256(CONTENT).hexdigest()
    assert "already" in refusal(odd, CONTENT[::-1]).happened


@pytest.mark.parametrize("tag", ["", "0" * 32])
@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content[:-1] + b"x"])
def test_what_a_store_holds_otherwise_is_not_there(odd: Odd, tag: str, change: type[bytes]) -> None:
    """An object that is shorter or other than what was sent is never taken for sent."""
    odd.tag, odd.change = tag, change
    assert "something else" in refusal(odd).happened


def test_a_refusal_names_the_secrets_and_the_rights(odd: Odd) -> None:
    """Whoever mends it learns what the store said, which secrets were used, and what their key has to be allowed."""
    odd.status = 403
    error = refusal(odd)
    assert error.happened == "The signature is another (SignatureDoesNotMatch)"
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in error.hint
    assert "list the bucket" in error.hint


def test_the_agent_s_own_variables_are_not_the_environment_s(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AWS_… variables say to the agent's other programs changes no request."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id-of-somebody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    put(odd)
    for _, headers in odd.asked:
        assert "Credential=id-4711-id/" in headers["authorization"]
        assert "/here/s3/aws4_request" in headers["authorization"]
        assert "somebody" not in repr(headers)
    sent = next(headers for command, headers in odd.asked if command == "PUT")
    assert sent["x-amz-content-sha256"] == hashlib.sha256(CONTENT).hexdigest()
