"""A registry of images in memory, as far as pushing and pulling by digest needs one: blobs, manifests, logins."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PLACE = re.compile(r"/v2/(?P<name>.+?)/(?P<kind>blobs|manifests)/(?P<what>.+)")


class Registry(ThreadingHTTPServer):
    """What it holds by digest or tag, and what it was asked; ``login`` (``user:password``) is demanded where set."""

    daemon_threads = True

    def __init__(self, login: str = "", *, tokens: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.login = login
        self.tokens = tokens
        self.held: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.spoilt = False
        self.realm = f"http://{self.host}/token"

    @property
    def host(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"

    def takes(self, authorization: str) -> bool:
        """Tell whether somebody may come in."""
        basic = "Basic " + base64.b64encode(self.login.encode()).decode()
        return not self.login or authorization == ("Bearer the-token" if self.tokens else basic)


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def log_message(self, *_: Any) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/token":
            self.server.asked.append(f"GET {url.path}")
            basic = "Basic " + base64.b64encode(self.server.login.encode()).decode()
            allowed = self.headers.get("Authorization") == basic
            self._answer(200 if allowed else 403, json.dumps({"token": "the-token"}).encode())
            return
        if (found := self._found()) is not None:
            self._answer(200, found)

    def do_HEAD(self) -> None:
        if (found := self._found()) is not None:
            self._answer(200, found)

    def do_POST(self) -> None:
        if self._let_in():
            self._answer(202, b"", Location=f"{urlsplit(self.path).path}1?state=x")

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._let_in():
            return
        url = urlsplit(self.path)
        place = PLACE.fullmatch(url.path)
        assert place is not None
        if place["kind"] == "manifests":
            self.server.manifests[place["what"]] = data
        else:
            digest = parse_qs(url.query)["digest"][0]
            assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
            self.server.held[digest] = data
        self._answer(201, b"")

    def _found(self) -> bytes | None:
        if not self._let_in():
            return None
        place = PLACE.fullmatch(self.path)
        assert place is not None
        found = (self.server.manifests if place["kind"] == "manifests" else self.server.held).get(place["what"])
        if found is None:
            self._answer(404, b'{"errors": [{"code": "BLOB_UNKNOWN", "message": "blob unknown"}]}')
            return None
        return found[:-1] + b"?" if self.server.spoilt else found

    def _let_in(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.takes(self.headers.get("Authorization", "")):
            return True
        realm = f'Bearer realm="{self.server.realm}",service="it",scope="x"'
        challenge = realm if self.server.tokens else 'Basic realm="it"'
        self._answer(
            401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]}', WWW_Authenticate=challenge
        )
        return False

    def _answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def registry(login: str = "", *, tokens: bool = False) -> Iterator[Registry]:
    """Give a registry that ends with the block."""
    server = Registry(login, tokens=tokens)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
