"""A prober that asks over HTTP: one thread and one selector a name, an open loop, no retries."""

import contextlib
import errno
import math
import os
import selectors
import socket
import ssl
import threading
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit

import msgspec

from lading.checks.exchange import NoAnswer, place_of, tls_context
from lading.checks.smoke import target_of
from lading.checks.wire import AnswerReader, NotHttp
from lading.model.errors import LadingError
from lading.ports.prober import ProbeCount, ProbeTarget

REQUEST_TIMEOUT = 10.0  # seconds until an unanswered request is lost
IN_FLIGHT_LIMIT = 512  # connections open at once; a request that would need one more is lost
REMEMBERED = 256  # names whose final count is kept
BACKLOG_LIMIT = 1.0  # seconds of the schedule that are made up for after a stall
RECEIVE = 64 * 1024  # bytes read at a time
IDLE_LIMIT = 8  # idle connections kept for reuse


class HttpProber:
    """Asks each target at its rate from a thread of its own, whatever the answers take.

    Every second request goes over a kept connection, the others over new ones. *Lost* is a request without a complete
    answer within ``timeout`` seconds, with a status of 500 or above, or with 404 where the target's first answer was
    another: a router says 404 when it has forgotten a route.
    """

    def __init__(self, timeout: float = REQUEST_TIMEOUT) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._running: dict[str, _Loop] = {}
        self._final: OrderedDict[str, ProbeCount] = OrderedDict()

    def start(self, name: str, target: ProbeTarget) -> None:
        """Start asking under ``name``; while it already asks, do nothing. A name known before goes on counting."""
        with self._lock:
            if name not in self._running:
                try:
                    loop = _Loop(name, target, self._final.get(name, ProbeCount()), self._timeout)
                except NoAnswer as error:
                    raise LadingError(
                        "not-supported", doing="starting the prober", happened=str(error), now="nothing was asked"
                    ) from None
                self._running[name] = loop
                loop.start()

    def count(self, name: str) -> ProbeCount:
        """Return what was counted so far; zeros for an unknown name."""
        with self._lock:
            loop = self._running.get(name)
            return loop.count if loop is not None else self._final.get(name, ProbeCount())

    def stop(self, name: str) -> ProbeCount:
        """Stop, wait for requests under way (at most their time limit), and return the final count. Idempotent."""
        with self._lock:
            loop = self._running.get(name)
        if loop is None:
            return self.count(name)
        final = loop.finish()
        with self._lock:
            self._running.pop(name, None)
            self._final[name] = final
            while len(self._final) > REMEMBERED:
                self._final.popitem(last=False)
        return final


class _Exchange:
    """One request under way."""

    def __init__(self, line: socket.socket, request: bytes, began: float, *, keep: bool) -> None:
        self.line = line
        self.unsent = request
        self.began = began
        self.keep = keep
        self.ready = True  # False until it is connected and secured, where it has to be
        self.reader = AnswerReader()


class _Loop(threading.Thread):
    """The thread that asks one target; only it touches sockets and writes the count (which others may read)."""

    def __init__(self, name: str, target: ProbeTarget, count: ProbeCount, timeout: float) -> None:
        super().__init__(name=f"prober-{name}", daemon=True)
        self.count = count
        self._timeout = timeout
        self._interval = 1.0 / target.per_second if target.per_second > 0 else math.inf
        self._target = _Target(target)
        self._selector = selectors.DefaultSelector()
        self._under_way: dict[_Exchange, None] = {}  # oldest first
        self._idle: list[socket.socket] = []
        self._first_status = 0
        self._stopping = threading.Event()
        self._woken, self._waker = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)

    def finish(self) -> ProbeCount:
        """Send nothing more, wait for what is under way, and return the count."""
        self._stopping.set()
        with contextlib.suppress(OSError):  # already closed: the thread has ended
            self._waker.send(b"x")
        self.join()
        return self.count

    def run(self) -> None:
        """Send on schedule and read answers as they come, until stopped and nothing is under way."""
        due = time.monotonic() if self._interval < math.inf else math.inf
        number = 0
        while self._under_way or not self._stopping.is_set():
            now = time.monotonic()
            if self._stopping.is_set():
                due = math.inf
            # After a stall what is due is sent late but sent; more than the backlog would be a load test of its own.
            due = max(due, now - BACKLOG_LIMIT)
            while due <= now:
                self._send(keep=number % 2 == 0)
                number += 1
                due += self._interval
            self._expire(now)
            for key, _events in self._selector.select(self._pause(due)):
                self._attend(key)
        for line in [*self._idle, self._woken, self._waker]:
            line.close()
        self._selector.close()

    def _pause(self, due: float) -> float | None:
        oldest = next(iter(self._under_way), None)
        if oldest is None and self._stopping.is_set():
            return 0.0
        ends = due if oldest is None else min(due, oldest.began + self._timeout)
        return None if ends == math.inf else max(ends - time.monotonic(), 0.0)

    def _send(self, *, keep: bool) -> None:
        self.count = msgspec.structs.replace(self.count, requests=self.count.requests + 1)
        if len(self._under_way) >= IN_FLIGHT_LIMIT:
            self._lost(f"not sent: {IN_FLIGHT_LIMIT} requests wait for their answer")
            return
        began = time.monotonic()
        try:
            line = (self._reused() if keep else None) or self._target.connect()
        except OSError as error:
            self._lost(_words(error))
            return
        exchange = _Exchange(line, self._target.request(keep=keep), began, keep=keep)
        exchange.ready = not self._target.secure or isinstance(line, ssl.SSLSocket)
        self._under_way[exchange] = None
        self._selector.register(line, selectors.EVENT_WRITE, exchange)
        self._advance(exchange)

    def _reused(self) -> socket.socket | None:
        while self._idle:
            line = self._idle.pop()
            self._selector.unregister(line)
            if _is_open(line):
                return line
            line.close()
        return None

    def _attend(self, key: selectors.SelectorKey) -> None:
        if isinstance(key.data, _Exchange):
            self._advance(key.data)
        elif key.fileobj is self._woken:
            self._woken.recv(64)
        elif isinstance(key.fileobj, socket.socket) and key.fileobj in self._idle:
            # An idle connection has nothing to say but that it ends.
            self._idle.remove(key.fileobj)
            self._drop(key.fileobj)

    def _advance(self, exchange: "_Exchange") -> None:
        """Send or read what is possible now."""
        try:
            self._secure(exchange)
            if exchange.unsent:
                exchange.unsent = exchange.unsent[exchange.line.send(exchange.unsent) :]
                if not exchange.unsent:
                    self._selector.modify(exchange.line, selectors.EVENT_READ, exchange)
                return
            data = self._read(exchange)
        except ssl.SSLWantReadError:
            self._selector.modify(exchange.line, selectors.EVENT_READ, exchange)
            return
        except ssl.SSLWantWriteError:
            self._selector.modify(exchange.line, selectors.EVENT_WRITE, exchange)
            return
        except BlockingIOError:
            return
        except NotHttp as error:
            self._end(exchange, str(error))
            return
        except OSError as error:
            self._end(exchange, _words(error, begun=exchange.reader.begun))
            return
        if exchange.reader.complete:
            self._answered(exchange)
        elif not data:
            self._end(exchange, _words(ConnectionError(), begun=exchange.reader.begun))

    def _secure(self, exchange: "_Exchange") -> None:
        """Go on with the handshake of a connection that needs one and has just been made."""
        if exchange.ready:
            return
        if not _is_connected(exchange.line):
            raise BlockingIOError
        line = self._target.secured(exchange.line)
        if line is not exchange.line:
            # The plain socket gave its number to the secured one.
            self._selector.unregister(line.fileno())
            self._selector.register(line, selectors.EVENT_WRITE, exchange)
            exchange.line = line
        line.do_handshake()
        self._selector.modify(line, selectors.EVENT_WRITE, exchange)
        exchange.ready = True

    def _read(self, exchange: "_Exchange") -> bytes:
        """Read what has come, all of it: what TLS holds back already no selector tells of."""
        while data := exchange.line.recv(RECEIVE):
            exchange.reader.feed(data)
            if exchange.reader.complete or not isinstance(exchange.line, ssl.SSLSocket):
                return data
        exchange.reader.end()
        return b""

    def _answered(self, exchange: "_Exchange") -> None:
        seconds = time.monotonic() - exchange.began
        self.count = msgspec.structs.replace(self.count, slowest=max(self.count.slowest, seconds))
        status = exchange.reader.status
        self._first_status = self._first_status or status
        if status >= 500:
            self._end(exchange, str(status))
        elif status == 404 and self._first_status != 404:
            self._end(exchange, f"404, where the first answer was {self._first_status}")
        else:
            self._end(exchange)

    def _expire(self, now: float) -> None:
        for exchange in list(self._under_way):
            if exchange.began + self._timeout > now:
                return
            self._end(exchange, f"no complete answer within {self._timeout:g} s")

    def _end(self, exchange: "_Exchange", loss: str = "") -> None:
        """End a request, as lost where ``loss`` says why."""
        del self._under_way[exchange]
        if loss:
            self._lost(loss)
        if exchange.keep and exchange.reader.reusable and exchange.reader.complete and len(self._idle) < IDLE_LIMIT:
            self._selector.modify(exchange.line, selectors.EVENT_READ)
            self._idle.append(exchange.line)
        else:
            self._drop(exchange.line)

    def _drop(self, line: socket.socket) -> None:
        self._selector.unregister(line)
        line.close()

    def _lost(self, reason: str) -> None:
        self.count = msgspec.structs.replace(
            self.count, lost=self.count.lost + 1, first_loss=self.count.first_loss or reason
        )


class _Target:
    """Where requests go and what they say."""

    def __init__(self, target: ProbeTarget) -> None:
        place = place_of(target.base_url)
        self._host = (place.host, place.port)
        self.secure = place.scheme == "https"
        self._name = urlsplit(f"//{target.host or place.authority}").hostname or place.host
        self._trust = target.passing.trust
        self._address: tuple[socket.AddressFamily, Any] | None = None
        self._head = (
            f"GET {place.prefix}{target_of(target.path)} HTTP/1.1\r\nHost: {target.host or place.authority}\r\n"
            "User-Agent: lading-prober\r\nAccept: */*\r\n"
            + "".join(f"{name}: {value.reveal()}\r\n" for name, value in target.passing.headers.items())
            + "Connection: "
        ).encode()

    def request(self, *, keep: bool) -> bytes:
        """Return a whole request."""
        return self._head + (b"keep-alive\r\n\r\n" if keep else b"close\r\n\r\n")

    def secured(self, line: socket.socket) -> ssl.SSLSocket:
        """Return a connection that stands with TLS about to begin on it."""
        if isinstance(line, ssl.SSLSocket):
            return line
        context = tls_context(self._trust)
        return context.wrap_socket(line, server_hostname=self._name, do_handshake_on_connect=False)

    def connect(self) -> socket.socket:
        """Begin a connection without waiting for it; raise OSError."""
        if self._address is None:
            family, _kind, _protocol, _name, address = socket.getaddrinfo(*self._host, type=socket.SOCK_STREAM)[0]
            self._address = (family, address)
        line = socket.socket(self._address[0], socket.SOCK_STREAM)
        try:
            line.setblocking(False)
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            failed = line.connect_ex(self._address[1])
            if failed not in (0, errno.EINPROGRESS):
                raise OSError(failed, os.strerror(failed))
        except OSError:
            line.close()
            raise
        return line


def _is_open(line: socket.socket) -> bool:
    """Tell whether an idle connection still stands: it has neither ended nor anything to say."""
    try:
        # TLS knows no peeking, and what it might have to say now would belong to no request.
        line.recv(1, 0 if isinstance(line, ssl.SSLSocket) else socket.MSG_PEEK)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False
    return False


def _is_connected(line: socket.socket) -> bool:
    """Tell whether a connection stands; raise OSError when it failed."""
    failed = line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed:
        raise OSError(failed, os.strerror(failed))
    try:
        line.getpeername()
    except OSError:
        return False
    return True


def _words(error: OSError, *, begun: bool = False) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ConnectionError):
        return "connection closed within the answer" if begun else "connection closed before an answer"
    return error.strerror or type(error).__name__
