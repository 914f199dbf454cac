"""A small HTTP server that misbehaves on purpose: one thread a connection, answers by path."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO


@dataclass
class Request:
    """What a client sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Line:
    """The connection of one client, as a handler sees it."""

    socket: socket.socket
    closing: threading.Event
    keep: bool = True

    def answer(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        *,
        length: int | None = None,
    ) -> None:
        """Send a whole answer; ``length`` lies about the body's."""
        head = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body) if length is None else length}"]
        head += [f"{name}: {value}" for name, value in headers]
        self.raw("\r\n".join([*head, "", ""]).encode("latin-1") + body)

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def last(self, data: bytes) -> None:
        """Send bytes and the connection's end in one piece, so that no client sees one without the other."""
        self.socket.sendall(data, socket.MSG_MORE)
        self.keep = False

    def trickle(self, data: bytes, every: float) -> None:
        """Send one byte at a time, until the client or the server goes."""
        for index in range(len(data)):
            if self.closing.wait(every):
                return
            self.raw(data[index : index + 1])

    def hold(self, seconds: float) -> None:
        """Say nothing for so long."""
        self.closing.wait(seconds)

    def reset(self) -> None:
        """Break the connection with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection after this handler."""
        self.keep = False


Handler = Callable[[Line, Request], None]


@dataclass
class Server:
    """Serves ``pages`` (path without query → handler); unknown paths give 404. Keeps what it was asked."""

    pages: dict[str, Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def page(self, path: str, status: int = 200, body: bytes = b"", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Answer a path always alike."""
        self.pages[path] = lambda line, _request: line.answer(status, body, headers)

    def close(self) -> None:
        """Stop listening, break every connection and wait for the threads. Idempotent."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            for line in self._lines:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                line, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(line,))
            with self._lock:
                self._lines.add(line)
                self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        line = Line(connection, self._closing)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        try:
            while line.keep and not self._closing.is_set():
                request = _read(reader)
                if request is None:
                    return
                self.requests.append(request)
                handler = self.pages.get(request.target.partition("?")[0], _not_found)
                handler(line, request)
                if request.headers.get("connection", "").lower() == "close":
                    return
        except OSError:
            return  # the client went first
        finally:
            with self._lock:
                self._lines.discard(connection)
            reader.close()
            connection.close()


def _not_found(line: Line, _request: Request) -> None:
    line.answer(404, b"404 page not found")


def _read(reader: BinaryIO) -> Request | None:
    start = reader.readline()
    if not start.strip():
        return None
    method, target, _version = start.decode("latin-1").split()
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """Run a server for the time of a ``with`` block."""
    server = Server()
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """Give a port that refuses connections: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        yield port
