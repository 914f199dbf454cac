"""Talks to one agent: requests, streams and blobs, with every failure as a ``LadingError``."""

import json
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from lading.client.address import Address
from lading.client.line import line_to, reason
from lading.client.wire import Answer, Body, UnixConnection
from lading.model.errors import LadingError
from lading.model.interface import API_HEADER, API_VERSION, USER_HEADER

ANSWER_TIMEOUT = 60.0  # seconds an agent may take for one answer
SILENCE_TIMEOUT = 30.0  # seconds a stream may be silent; an agent sends an empty line every few seconds
TRIES = 2  # times a request that never arrived is sent again: a connection that is just ending costs one
CHUNK = 1 << 16  # bytes read at a time
UNKNOWN_THERE = {(404, "usage"), (405, "usage")}  # how an agent answers what only newer ones can be asked


class AgentError(LadingError):
    """A failure that the agent reported; ``answer`` is its whole answer, which may say more than the error."""

    def __init__(self, answer: dict[str, Any]) -> None:
        error = LadingError.from_plain(answer["error"])
        super().__init__(
            error.code,
            doing=error.doing,
            happened=error.happened,
            now=error.now,
            hint=error.hint,
            details=error.details,
        )
        self.answer = answer


class BrokenOff(LadingError):
    """An agent went away after it had been asked: what it made of the request is not known."""


class StreamLost(Exception):
    """A stream of an agent broke off before its end."""


def requester() -> str:
    """Return who asks, as the journal notes it: ``user@host``."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def segment(text: str) -> str:
    """Quote a name for use as one segment of a path."""
    return quote(text, safe="")


class Agent:
    """An agent at an address; ``start`` is called once when nobody listens there, to start it.

    ``patience`` is how many seconds one answer may take.
    """

    def __init__(
        self, address: Address, start: Callable[[], None] | None = None, patience: float = ANSWER_TIMEOUT
    ) -> None:
        self.address = address
        self._line = line_to(address, start)
        self._patience = patience

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON answer to a GET."""
        return self._json("GET", path, None, query)

    def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """Return the JSON answer to a POST of ``body`` as JSON."""
        return self._json("POST", path, body, query)

    def put(self, path: str, body: Any, **query: Any) -> Any:
        """Return the JSON answer to a PUT of ``body`` as JSON."""
        return self._json("PUT", path, body, query)

    def delete(self, path: str, **query: Any) -> Any:
        """Return the JSON answer to a DELETE."""
        return self._json("DELETE", path, None, query)

    def stream(self, method: str, path: str, body: Body = None, **query: Any) -> Iterator[dict[str, Any]]:
        """Yield the JSON lines of an answer as they come; an ``error`` line is raised.

        Raise :class:`StreamLost` when the connection breaks; but an agent that goes away may also just end the stream,
        so only a result line tells that it is complete.
        """
        timeout = ANSWER_TIMEOUT if body is not None else SILENCE_TIMEOUT
        with self._send(method, _url(path, query), body, "application/octet-stream", timeout) as response:
            try:
                for line in response.body:
                    if line.strip():
                        yield _line(line)
            except OSError as error:
                raise StreamLost(str(error)) from error

    def missing(self, blobs: dict[str, int], *, sending: bool = True) -> dict[str, int]:
        """Return which of the blobs (by digest, with their sizes) the agent lacks, and how many bytes of each it has.

        With ``sending``, raise ``no-space`` when it has no room for them.
        """
        found: dict[str, int] = self.post("/v1/blobs/missing", {"blobs": blobs, "sending": sending})["missing"]
        return found

    def blob(self, digest: str, offset: int = 0) -> Iterator[bytes]:
        """Yield the bytes of a blob, from ``offset`` on."""
        yield from self._bytes(_url(f"/v1/blobs/{digest}", {"offset": offset or None}))

    def output_file(self, number: int, path: str) -> Iterator[bytes]:
        """Yield the bytes of a file that a run of a job left."""
        yield from self._bytes(f"/v1/runs/{number}/outputs/{quote(path)}")

    def _bytes(self, url: str) -> Iterator[bytes]:
        with self._send("GET", url, None, "", ANSWER_TIMEOUT) as response:
            try:
                while chunk := response.body.read(CHUNK):
                    yield chunk
            except OSError as error:
                raise self._broken(error) from error

    def add_to_blob(self, digest: str, offset: int, size: int, data: bytes, encoding: str = "") -> int:
        """Add bytes to a blob of ``size`` bytes at the agent, from ``offset`` on; return how many are there then.

        The agent verifies the blob with its last byte. ``encoding`` is ``zstd`` for compressed data.
        """
        url = _url(f"/v1/blobs/{digest}", {"offset": offset, "size": size})
        headers = {"Content-Encoding": encoding} if encoding else {}
        with self._send("PATCH", url, data, "application/octet-stream", ANSWER_TIMEOUT, **headers) as response:
            here: int = self._read(response)["here"]
        return here

    def _json(self, method: str, path: str, body: Any, query: dict[str, Any]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with self._send(method, _url(path, query), data, "application/json", self._patience) as response:
            return self._read(response)

    def _read(self, response: Answer) -> Any:
        try:
            return json.loads(response.body.read() or b"null")
        except (OSError, ValueError) as error:
            raise self._broken(error) from error

    @contextmanager
    def _send(
        self, method: str, url: str, body: Body, content_type: str, timeout: float, **headers: str
    ) -> Iterator[Answer]:
        sent = {API_HEADER: API_VERSION, USER_HEADER: requester(), **headers}
        sent["Connection"] = "keep-alive" if self._line.keeps else "close"
        if body is not None:
            sent["Content-Type"] = content_type
        connection, response = self._exchange(method, url, body, sent, timeout)
        try:
            self._check(response)
            yield response
        finally:
            self._line.give_back(connection, may_go_on=response.may_go_on)

    def _exchange(
        self, method: str, url: str, body: Body, headers: dict[str, str], timeout: float
    ) -> tuple[UnixConnection, Answer]:
        whole, harmless = body is None or isinstance(body, bytes), method in ("GET", "HEAD")
        tried = 0
        while True:
            connection = self._line.connect(timeout)
            tried += 1
            try:
                _write(connection, method, url, body, headers)
                return connection, connection.answer()
            except OSError as error:
                connection.close()
                if tried > TRIES or not self._line.again(connection, error, harmless=harmless, whole=whole):
                    raise self._broken(error) from error
            except BaseException:
                connection.close()
                raise

    def _check(self, response: Answer) -> None:
        spoken = response.headers.get(API_HEADER)
        if response.status >= 400:
            answer = _parsed(response.body.read())
            if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
                error = AgentError(answer)
                # What is asked for is not there at all, which is not a mistake of who asked.
                raise self._too_old(error) if (response.status, error.code) in UNKNOWN_THERE else error
            if spoken == API_VERSION:
                raise LadingError(
                    "unexpected",
                    doing=f"asking the agent at {self.address}",
                    happened=f"it answered {response.status} {response.reason}",
                    hint="lading agent status; its log says more",
                )
        if spoken != API_VERSION:
            raise LadingError(
                "agent-refused",
                doing=f"asking the agent at {self.address}",
                happened=f"it speaks version {spoken or 'unknown'} of the interface, this client version {API_VERSION}",
                now="nothing was changed",
                hint="install the same version on both sides, then: lading agent stop; lading agent start",
            )

    def _too_old(self, error: AgentError) -> LadingError:
        remedy = "lading agent stop, then lading agent start"
        if self.address.host is not None:
            remedy = f"lading host upgrade ssh://root@{self.address.host.name}"
        return LadingError(
            "agent-refused",
            doing=f"asking the agent at {self.address} for {error.doing or 'what it lacks'}",
            happened=f"it does not know what that is ({error.happened}): it is older than this command",
            now="nothing was changed; what it serves goes on serving",
            hint=f"bring it to this version: {remedy}",
        )

    def _broken(self, error: Exception) -> BrokenOff:
        return BrokenOff(
            "agent-unreachable",
            doing=f"asking the agent at {self.address}",
            happened=f"the connection broke off before its answer was complete ({reason(error)})",
            now="what it serves goes on serving; a rollout that it had accepted goes on once it runs",
            hint="lading status, to see what came of it",
        )


def _write(connection: UnixConnection, method: str, url: str, body: Body, headers: dict[str, str]) -> None:
    try:
        connection.request(method, url, body, headers)
    except BrokenPipeError:
        # An agent that refuses early stops reading, but its answer is there to be read.
        return


def _url(path: str, query: dict[str, Any]) -> str:
    given = {key: value for key, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _line(line: bytes) -> dict[str, Any]:
    value = json.loads(line)
    if isinstance(value, dict) and value.get("error") and "rollout" not in value:
        raise AgentError(value)
    if not isinstance(value, dict):
        raise StreamLost(f"not an object: {line[:80]!r}")
    return value


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
