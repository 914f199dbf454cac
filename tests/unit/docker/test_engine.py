"""Speaking to an engine over its socket: versions, refusals, and one that is not there."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lading.docker import Engine, EngineRefused
from lading.docker import engine as module
from lading.model.errors import LadingError


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    version: ClassVar = {"ApiVersion": "1.99", "MinAPIVersion": "1.24"}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/version":
            self._say(200, self.version)
        elif self.path.endswith("/gone"):
            self._say(404, {"message": "no such thing"})
        elif self.path.endswith("/full"):
            self._say(500, {"message": "write /x: no space left on device"})
        else:
            self._say(200, {"path": self.path})

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass

    def _say(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    Handler.asked = []
    place = str(tmp_path / "engine.sock")
    with Server(place, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield place
        server.shutdown()
        thread.join()


def test_the_newest_version_that_both_speak_is_spoken(path: str) -> None:
    """A newer engine is asked in the newest version known here; the agreement is made once."""
    engine = Engine(path)
    assert engine.get("/a", filters={"label": ["x=1"]}, all=True)["path"].startswith("/v1.47/a?filters=")
    assert engine.get("/info")["path"] == "/v1.47/info"
    assert Handler.asked.count("/version") == 1


def test_a_refusal_has_the_engine_s_own_words(path: str) -> None:
    """Status and message are there to decide by, and a full disk has its own code."""
    engine = Engine(path)
    with pytest.raises(EngineRefused) as refused:
        engine.get("/gone")
    assert (refused.value.status, refused.value.message, refused.value.code) == (404, "no such thing", "engine-failed")
    with pytest.raises(EngineRefused) as full:
        engine.get("/full")
    assert full.value.code == "no-space"


def test_an_engine_that_is_not_there_is_said_with_what_helps(tmp_path: Path) -> None:
    """Nobody at the socket: at once, with the command that installs or starts one."""
    with pytest.raises(LadingError) as refused:
        Engine(str(tmp_path / "none.sock")).get("/info")
    assert refused.value.code == "no-engine"
    assert "dockerd" in refused.value.hint or "docker" in refused.value.hint


def test_an_engine_of_another_time_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions that have nothing in common are told."""
    monkeypatch.setattr(Handler, "version", {"ApiVersion": "1.12", "MinAPIVersion": "1.1"})
    with pytest.raises(LadingError) as refused:
        Engine(path).get("/info")
    assert "1.12" in refused.value.happened


def test_one_that_answered_before_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is being restarted is asked again until it is back, for a while."""
    place = str(tmp_path / "engine.sock")
    engine = Engine(place)
    with Server(place, Handler) as first:
        thread = threading.Thread(target=first.serve_forever, args=(0.01,))
        thread.start()
        engine.get("/info")
        first.shutdown()
        thread.join()
    Path(place).unlink()
    monkeypatch.setattr(module, "BACK", 0.2)
    with pytest.raises(LadingError):
        engine.get("/info")


def test_a_name_is_one_segment_of_a_path() -> None:
    """Slashes and colons of image names stay within their segment."""
    assert module.segment("lading-1/shop:2") == "lading-1%2Fshop%3A2"
