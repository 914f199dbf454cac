"""HTTP/1.1 over a Unix socket: the hot path of every command, so no more than an agent and its client speak.

The standard library's client would load TLS and a parser of e-mail with it, a fifth of what a short command takes.
"""

import io
import os
import select
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

# The kernel's limit on the path of a Unix socket is 108 bytes on Linux, 104 on macOS, terminating zero included.
LONGEST_SOCKET_PATH = 100
LONGEST_LINE = 1 << 16  # bytes of one line of a head
MOST_HEADERS = 200
CHUNK = 1 << 16  # bytes sent or read at a time
EMPTY_STATUSES = (204, 304)

Body = bytes | Iterator[bytes] | IO[bytes] | None


class NotHttp(OSError):
    """The answer broke off, or is not one of HTTP."""


class UnixConnection:
    """One connection for one request to whoever listens on a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._file: io.BufferedReader | None = None
        self._method = ""
        self.heard = False  # whether a byte of the answer has come

    def connect(self) -> None:
        """Connect to the socket; OSError when nobody listens."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(self._timeout)
            connect_unix(line, self._path)
        except OSError:
            line.close()
            raise
        self._socket = line

    def take_up(self, timeout: float) -> None:
        """Use the connection for another request, with this patience in seconds."""
        self._line.settimeout(timeout)

    def is_idle(self) -> bool:
        """Tell whether the connection can carry another request: nobody has ended it meanwhile."""
        # Between two requests there is nothing to read but its end.
        return self._socket is not None and not select.select([self._socket], [], [], 0)[0]

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        for end in (self._file, self._socket):
            if end is not None:
                end.close()

    def request(self, method: str, url: str, body: Body, headers: Mapping[str, str]) -> None:
        """Send a request; a body of unknown length goes in chunks."""
        self._method = method
        self.heard = False
        lines = [f"{method} {url} HTTP/1.1", "Host: agent", *(f"{name}: {value}" for name, value in headers.items())]
        whole = b"" if body is None else body
        if not isinstance(whole, bytes):
            lines.append("Transfer-Encoding: chunked")
        elif whole or method not in ("GET", "HEAD", "DELETE"):
            lines.append(f"Content-Length: {len(whole)}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if isinstance(whole, bytes):
            self._line.sendall(head + whole[:CHUNK])
            # Patience is for every piece anew: a slow line is no dead one.
            for start in range(CHUNK, len(whole), CHUNK):
                self._line.sendall(whole[start : start + CHUNK])
            return
        self._line.sendall(head)
        for piece in _pieces(whole):
            self._line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        self._line.sendall(b"0\r\n\r\n")

    def answer(self) -> "Answer":
        """Read the head of the answer; raise :class:`NotHttp`, or another OSError as the socket gives it."""
        self._file = self._file or self._line.makefile("rb")
        while True:
            self.heard = bool(self._file.peek(1)) or self.heard
            status, reason = _status(_line(self._file))
            headers = _headers(self._file)
            if status >= 200:
                break
        empty = self._method == "HEAD" or status in EMPTY_STATUSES
        return Answer(status, reason, headers, _Body(self._file, headers, empty=empty))

    @property
    def _line(self) -> socket.socket:
        assert self._socket is not None, "connect comes first"
        return self._socket


class Answer:
    """An answer: status, reason, headers by lower-case name, and the body as a file."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str], body: "_Body") -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = io.BufferedReader(body, CHUNK)
        self._raw = body

    @property
    def may_go_on(self) -> bool:
        """Whether the body was read to its end and the connection may carry another request."""
        return self._raw.ended and self.headers.get("connection", "").lower() != "close"


class _Body(io.RawIOBase):
    """The bytes of a body, as they come; one that ends too early raises :class:`NotHttp`."""

    def __init__(self, file: io.BufferedReader, headers: Mapping[str, str], *, empty: bool) -> None:
        self._file = file
        self._chunked = not empty and headers.get("transfer-encoding", "").lower() == "chunked"
        # None: until the connection ends.
        self._left: int | None = 0
        if not empty and not self._chunked:
            self._left = _number(headers["content-length"], 10) if "content-length" in headers else None

    @property
    def ended(self) -> bool:
        """Whether all of it has been read."""
        return self._left == 0 and not self._chunked

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Read what has come, at least one byte until the end."""
        if self._chunked and self._left == 0:
            self._begin_chunk()
        if self._left == 0:
            return 0
        wanted = memoryview(buffer)[: self._left]
        size = self._file.readinto1(wanted)
        if self._left is not None:
            if size == 0:
                raise NotHttp("it ended too early")
            self._left -= size
            if self._chunked and self._left == 0 and _line(self._file):
                raise NotHttp("a chunk does not end where it should")
        return size

    def _begin_chunk(self) -> None:
        self._left = _number(_line(self._file).partition(b";")[0].decode("latin-1"), 16)
        if self._left == 0:
            _headers(self._file)
            self._chunked = False


def _pieces(body: Iterator[bytes] | IO[bytes]) -> Iterator[bytes]:
    pieces = iter(lambda: body.read(CHUNK), b"") if isinstance(body, io.IOBase) else body
    # An empty chunk would end the body.
    return (piece for piece in pieces if piece)


def _line(file: io.BufferedReader) -> bytes:
    line = file.readline(LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise NotHttp("it ended too early" if len(line) < LONGEST_LINE else "a line of it is too long")
    return line.rstrip(b"\r\n")


def _status(line: bytes) -> tuple[int, str]:
    version, _, rest = line.decode("latin-1").partition(" ")
    status, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1."):
        raise NotHttp("it is not HTTP")
    return _number(status, 10), reason


def _headers(file: io.BufferedReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    while line := _line(file):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
        if len(headers) > MOST_HEADERS:
            raise NotHttp("it has too many headers")
    return headers


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise NotHttp(f"{text[:20]!r} stands where a number should") from None


def connect_unix(sock: socket.socket, path: Path) -> None:
    """Connect to the socket at ``path``, however long the path is."""
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH or not sys.platform.startswith("linux"):
        sock.connect(str(path))
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        sock.connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
