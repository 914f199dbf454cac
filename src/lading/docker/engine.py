"""One call to the engine's HTTP interface a method call; nothing is kept open between two calls."""

import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from lading.model.errors import LadingError

SOCKET = "/var/run/docker.sock"
CALL = 60.0  # seconds one call may take unless its caller says otherwise
BACK = 5.0  # seconds an engine that answered before may take to come back, as it does when it is restarted
AGAIN = 0.1  # seconds between two tries to reach it
NO_SPACE = "no space left"
OLDEST, NEWEST = (1, 40), (1, 47)  # versions of the interface that are known to do


class EngineRefused(LadingError):
    """The engine answered with an error: its status, and its own words."""

    def __init__(self, call: str, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(
            "no-space" if NO_SPACE in message else "engine-failed",
            doing=f"asking the container engine to {call}",
            happened=f"{message} ({status})",
            now="what serves is untouched",
            hint="docker info, docker system df, and the engine's own log",
        )


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(self._path)
        except BaseException:
            connection.close()
            raise
        self.sock = connection


class Engine:
    """A container engine at a Unix socket; safe to use from several threads.

    Calls raise :class:`EngineRefused` for an answer that is an error, ``no-engine`` when nobody answers, and
    TimeoutError for an answer that takes longer than asked for.
    """

    def __init__(self, path: str = SOCKET) -> None:
        self.path = path
        self._version = ""
        self._lock = threading.Lock()

    def get(self, path: str, /, **query: Any) -> Any:
        """Return the answer to a GET as decoded JSON."""
        return self._json("GET", path, None, query)

    def post(self, path: str, body: Any = None, /, *, timeout: float = CALL, **query: Any) -> Any:
        """Return the answer to a POST as decoded JSON, None where it is empty."""
        return self._json("POST", path, body, query, timeout)

    def delete(self, path: str, /, **query: Any) -> Any:
        """Return the answer to a DELETE as decoded JSON, None where it is empty."""
        return self._json("DELETE", path, None, query)

    def _json(self, method: str, path: str, body: Any, query: Mapping[str, Any], timeout: float = CALL) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with self.stream(method, path, data, timeout=timeout, **query) as answer:
            text = answer.read()
        return json.loads(text) if text.strip() else None

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        /,
        *,
        timeout: float | None = CALL,
        kind: str = "application/json",
        **query: Any,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a call and give its answer to be read until the end of the block; ``timeout`` bounds each wait."""
        connection, version = self._reach(timeout)
        try:
            headers = {"Content-Type": kind} if body is not None else {}
            chunked = body is not None and not isinstance(body, bytes)
            with suppress(BrokenPipeError):  # it answers before it has read all: what it says is the reason
                connection.request(method, _url(version, path, query), body, headers, encode_chunked=chunked)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise EngineRefused(f"{method} {path}", answer.status, _message(answer.read()))
            yield answer
        except (ConnectionError, http.client.HTTPException) as error:
            raise no_engine(self.path, f"it broke off: {error or type(error).__name__}") from error
        finally:
            connection.close()

    def _reach(self, timeout: float | None) -> tuple[_Connection, str]:
        """Return a connection and the version to speak; one to an engine that is just being restarted is waited for."""
        deadline = time.monotonic() + (BACK if self._version else 0.0)
        while True:
            try:
                version = self._agree()
                connection = _Connection(self.path, timeout)
                connection.connect()
                return connection, version
            except OSError as error:
                if time.monotonic() >= deadline:
                    # Until it answers again nobody waits for it a second time.
                    self._version = ""
                    raise no_engine(self.path, _why(error)) from error
                time.sleep(AGAIN)

    def _agree(self) -> str:
        """Return the version of the interface that both sides speak."""
        with self._lock:
            if self._version:
                return self._version
            connection = _Connection(self.path, CALL)
            try:
                connection.request("GET", "/version")
                said = json.loads(connection.getresponse().read())
            except (http.client.HTTPException, ValueError) as error:
                raise ConnectionError(f"what answers there is no container engine ({error})") from error
            finally:
                connection.close()
            newest, oldest = _numbers(said["ApiVersion"]), _numbers(said.get("MinAPIVersion", "1.24"))
            if newest < OLDEST or oldest > NEWEST:
                raise no_engine(
                    self.path, f"it speaks version {said['ApiVersion']} of its interface, which does not do"
                )
            self._version = ".".join(map(str, min(newest, NEWEST)))
            return self._version


def _url(version: str, path: str, query: Mapping[str, Any]) -> str:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in query.items()}
    words = f"?{urlencode(texts)}" if texts else ""
    return f"/v{version}{path}{words}"


def segment(text: str) -> str:
    """Return a name as one segment of a path."""
    return quote(text, safe="")


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or "no reason given"


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such socket"
    if isinstance(error, ConnectionRefusedError):
        return "nobody answers there"
    return error.strerror or str(error)


def no_engine(path: str, reason: str) -> LadingError:
    """Return the error for an engine that does not answer, with what installs or starts one."""
    installed = any(os.access(os.path.join(place, "dockerd"), os.X_OK) for place in _PLACES)
    managed = os.path.isdir("/run/systemd/system")
    start = "systemctl enable --now docker" if managed else "dockerd >/var/log/dockerd.log 2>&1 &"
    how = start if installed else f"apt-get install docker.io && {start}"
    if "denied" in reason.lower():
        how = "add the agent's user to the group docker, then start the agent again"
    return LadingError(
        "no-engine",
        doing=f"asking the container engine at {path}",
        happened=reason,
        now="what serves goes on serving",
        hint=f"{how}   (as root; socket in [docker] of agent.toml names another one)",
    )


_PLACES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
