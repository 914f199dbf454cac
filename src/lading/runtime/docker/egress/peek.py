"""The name in what a connection sends first: in TLS's greeting, or in the head of an HTTP request. Pure."""

from typing import NamedTuple

LONGEST = 1 << 14  # bytes of a greeting or head that are looked at
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 22, 1, 0


class Peeked(NamedTuple):
    """Whether enough was seen, and the name, empty where there is none."""

    whole: bool
    name: str = ""


def name_in(data: bytes) -> Peeked:
    """Return the name that a connection is for, as far as it can be seen in its first bytes."""
    if not data:
        return Peeked(False)
    if data[0] == _HANDSHAKE:
        return _tls(data)
    if b"\r\n\r\n" not in data and len(data) < LONGEST:
        return Peeked(False)
    head = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    if len(head[0].split(" ")) != 3 or not head[0].split(" ")[2].startswith("HTTP/"):
        return Peeked(True)
    hosts = [line.partition(":")[2].strip() for line in head[1:] if line.lower().startswith("host:")]
    # Two of them would let the other end read another one than is read here.
    return Peeked(True, hosts[0].partition(":")[0] if len(hosts) == 1 else "")


def _tls(data: bytes) -> Peeked:
    if len(data) < 5:
        return Peeked(False)
    length = int.from_bytes(data[3:5], "big")
    if len(data) < 5 + length and len(data) < LONGEST:
        return Peeked(False)
    try:
        return Peeked(True, _server_name(data[5 : 5 + length]))
    except (IndexError, UnicodeDecodeError):
        return Peeked(True)


class _Reader:
    """Reads numbers and blocks off bytes; IndexError at their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise IndexError(size)
        self._at += size
        return self._data[self._at - size : self._at]

    def block(self, size: int) -> bytes:
        """Return a block whose length stands before it in ``size`` bytes."""
        return self.take(self.number(size))

    @property
    def is_done(self) -> bool:
        return self._at >= len(self._data)


def _server_name(record: bytes) -> str:
    reader = _Reader(record)
    if reader.number(1) != _CLIENT_HELLO:
        return ""
    hello = _Reader(reader.block(3))
    hello.take(2 + 32)  # version, random
    hello.block(1)  # session
    hello.block(2)  # cipher suites
    hello.block(1)  # compression
    extensions = _Reader(hello.block(2))
    while not extensions.is_done:
        kind, content = extensions.number(2), extensions.block(2)
        if kind == _SERVER_NAME:
            names = _Reader(_Reader(content).block(2))
            names.take(1)  # the kind: a host name is the only one there is
            return names.block(2).decode("ascii")
    return ""
