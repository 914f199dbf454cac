"""One HTTP exchange within a hard time limit: connect, send, read, all of it or a reason why not."""

import http.client
import io
import os
import socket
import ssl
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from lading.ports.checks.expectations import BODY_LIMIT, Seen

DEFAULT_PORTS = {"http": 80, "https": 443}
CHUNK = 64 * 1024  # bytes read at a time


class NoAnswer(Exception):
    """There was no complete answer; the text says why in a few words."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: the method, the path with its query, all headers but the length, and the body."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is sent: scheme, host and port; ``prefix`` is the path that a base URL has in front of every target."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def authority(self) -> str:
        """The Host header that names this place."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """Read a base URL (or ``host:port``, as plain HTTP); raise :class:`NoAnswer` when it is none."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise NoAnswer(f"{url} is no address to ask") from None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise NoAnswer(f"{url or 'nothing'} is no address to ask")
    return Place(
        scheme=parts.scheme,
        host=parts.hostname,
        port=DEFAULT_PORTS[parts.scheme] if port is None else port,
        prefix=parts.path.rstrip("/"),
    )


def exchange(
    place: Place, question: Question, deadline: float, server_name: str | None = None, trust: str = ""
) -> Seen:
    """Send one question and read its whole answer before ``deadline`` (monotonic seconds).

    No redirect is followed and no proxy of the process's environment used. At most ``BODY_LIMIT`` bytes of the body
    are kept. ``trust`` as in :func:`tls_context`. Raise :class:`NoAnswer`.
    """
    line = _Line(deadline)
    try:
        line.open(place, server_name, trust)
        return _ask(line, place, question)
    except TimeoutError:
        raise NoAnswer(line.timeout_words()) from None
    except ConnectionRefusedError:
        raise NoAnswer("connection refused") from None
    except (ConnectionError, http.client.IncompleteRead) as error:
        words = "connection closed before an answer" if not line.answered else "connection closed within the answer"
        raise NoAnswer(words) from error
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"certificate not accepted: {error.verify_message}") from error
    except http.client.HTTPException as error:
        raise NoAnswer(f"no HTTP answer ({type(error).__name__})") from error
    except OSError as error:
        raise NoAnswer(error.strerror or type(error).__name__) from error
    except ValueError as error:
        # http.client raises it for an answer that breaks the grammar; its text may quote what we sent.
        raise NoAnswer("not a valid HTTP exchange") from error
    finally:
        line.hang_up()


def _ask(line: "_Line", place: Place, question: Question) -> Seen:
    connection = http.client.HTTPConnection(place.host, place.port)
    # http.client asks of its socket only what _Line has: sendall, makefile and close.
    connection.sock = line
    try:
        connection.putrequest(
            question.method, place.prefix + question.target, skip_host=True, skip_accept_encoding=True
        )
        for name, value in question.headers.items():
            connection.putheader(name, value.encode("latin-1" if value.isascii() else "utf-8"))
        if question.body is not None or question.method not in ("GET", "HEAD", "OPTIONS"):
            connection.putheader("Content-Length", str(len(question.body or b"")))
        connection.endheaders(question.body)
        response = connection.getresponse()
        line.answered = True
        body, cut = _read(response)
    finally:
        connection.close()
    headers: dict[str, str] = {}
    for name, value in response.getheaders():
        lower = name.lower()
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers and lower != "set-cookie" else value
    cookies = tuple(response.headers.get_all("set-cookie") or ())
    return Seen(status=response.status, headers=headers, body=body, cut=cut, cookies=cookies)


def _read(response: http.client.HTTPResponse) -> tuple[bytes, bool]:
    """Read the body up to the limit; http.client itself takes a short body for a whole one, so its length is held."""
    body = bytearray()
    while chunk := response.read(CHUNK):
        body += chunk
        if len(body) > BODY_LIMIT:
            return bytes(body[:BODY_LIMIT]), True
    if response.length:
        raise http.client.IncompleteRead(b"")
    return bytes(body), False


class _Line:
    """A socket of which every operation ends at one common deadline, with what http.client asks of a socket."""

    def __init__(self, deadline: float) -> None:
        self.answered = False
        self._deadline = deadline
        self._socket: socket.socket | None = None

    def open(self, place: Place, server_name: str | None, trust: str) -> None:
        """Connect to the place, TLS included, trying its addresses in turn."""
        failure: OSError = ConnectionRefusedError()
        for family, kind, protocol, _name, address in socket.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM
        ):
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(self._left())
                plain.connect(address)
                secure = place.scheme == "https"
                self._socket = _secured(plain, server_name or place.host, trust) if secure else plain
                return
            except OSError as error:
                plain.close()
                failure = error
        raise failure

    def timeout_words(self) -> str:
        """Say in which phase the time ran out."""
        if self._socket is None:
            return "no connection within the time limit"
        return "no complete answer within the time limit" if self.answered else "no answer within the time limit"

    def sendall(self, data: bytes) -> None:
        """Send all of it before the deadline."""
        self._live().sendall(data)

    def receive(self, buffer: memoryview) -> int:
        """Read what has come, waiting for it until the deadline; 0 at the end."""
        return self._live().recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the reading end."""
        return io.BufferedReader(_ReadingEnd(self))

    def close(self) -> None:
        """Do nothing: http.client closes its socket before the answer is read; see :meth:`hang_up`."""

    def hang_up(self) -> None:
        """Close the connection. Idempotent."""
        if self._socket is not None:
            self._socket.close()

    def _live(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("not connected")
        self._socket.settimeout(self._left())
        return self._socket

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


class _ReadingEnd(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._line.receive(buffer)


def tls_context(trust: str = "") -> ssl.SSLContext:
    """Return what certificates are held against: those the host's system trusts, or exactly those in a file.

    With a file a certificate must be one of them, be for the name that is asked, and not have ended.
    """
    if not trust:
        return ssl.create_default_context()
    found = os.stat(trust)
    return _pinned(trust, (found.st_mtime_ns, found.st_ino))


@lru_cache(maxsize=8)
def _pinned(trust: str, _stamp: tuple[int, int]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=trust)
    # What is trusted is the certificate itself, whoever issued it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _secured(plain: socket.socket, name: str, trust: str) -> socket.socket:
    # The handshake counts against the timeout that the socket has already.
    return tls_context(trust).wrap_socket(plain, server_hostname=name)
