"""HTTP/1.1 and WebSocket by hand, on asyncio: nothing is retried, and a cut answer never passes for a whole one."""

import asyncio
import base64
import hashlib
import os
import struct
from typing import NamedTuple, Self

ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # the handshake's constant, RFC 6455
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Lost(Exception):
    """There was no complete and correct answer; the text says why."""


class Head(NamedTuple):
    """An answer's status and its headers by lower-case name."""

    status: int
    headers: dict[str, str]


class Line:
    """One connection. ``reusable`` tells whether it may carry another request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._begun = False
        self.reusable = False

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        try:
            return cls(*await asyncio.open_connection(host, port))
        except ConnectionRefusedError:
            raise Lost("connection refused") from None
        except OSError as error:
            raise Lost(f"no connection: {error.strerror or type(error).__name__}") from None

    @property
    def open_still(self) -> bool:
        """Whether an idle connection has not ended meanwhile."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        self._writer.close()

    async def ask(self, request: bytes) -> Head:
        """Send a request and read its answer's head."""
        self.reusable = False
        self._begun = False
        try:
            self._writer.write(request)
            await self._writer.drain()
            while True:
                head = _head(await self._reader.readuntil(b"\r\n\r\n"))
                if head.status >= 200 or head.status == 101:
                    self._begun = True
                    return head
        except asyncio.IncompleteReadError as error:
            self._begun = bool(error.partial)
            raise self._cut() from None
        except (asyncio.LimitOverrunError, ValueError, IndexError):
            raise Lost("no HTTP answer") from None
        except ConnectionError:
            raise self._cut() from None

    async def body(self, head: Head) -> bytes:
        """Read the whole body; a connection that may carry on is ``reusable`` then."""
        try:
            kept = head.headers.get("connection", "").lower() != "close"
            if head.status in (204, 304):
                self.reusable = kept
                return b""
            if "chunked" in head.headers.get("transfer-encoding", "").lower():
                body = await self._chunks()
            elif "content-length" in head.headers:
                body = await self._reader.readexactly(int(head.headers["content-length"]))
            else:
                return await self._reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise self._cut() from None
        except (asyncio.LimitOverrunError, ValueError):
            raise Lost("no HTTP body") from None
        self.reusable = kept
        return body

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            body += await self._reader.readexactly(size)
            if await self._reader.readexactly(2) != b"\r\n":
                raise ValueError
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return bytes(body)

    def _cut(self) -> Lost:
        return Lost("connection closed within the answer" if self._begun else "connection closed before an answer")

    async def say(self, opcode: int, payload: bytes) -> None:
        """Send a WebSocket frame, masked as clients must."""
        mask = os.urandom(4)
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack("!H", len(payload))
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        try:
            self._writer.write(bytes([0x80 | opcode]) + length + mask + masked)
            await self._writer.drain()
        except ConnectionError:
            raise Lost("WebSocket broken off") from None

    async def hear(self) -> tuple[int, bytes]:
        """Return the next text or close frame; pings are answered on the way."""
        try:
            while True:
                first, second = await self._reader.readexactly(2)
                length = second & 0x7F
                if length >= 126:
                    size = 2 if length == 126 else 8
                    length = int.from_bytes(await self._reader.readexactly(size), "big")
                payload = await self._reader.readexactly(length)
                if first & 0x0F == PING:
                    await self.say(PONG, payload)
                elif first & 0x0F != PONG:
                    return first & 0x0F, payload
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Lost("WebSocket broken off") from None


def _head(data: bytes) -> Head:
    start, *lines = data[:-4].decode("latin-1").split("\r\n")
    version, status, *_rest = start.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Head(int(status), headers)


def websocket_key() -> tuple[str, str]:
    """Return a handshake's key, and what the server must make of it."""
    key = base64.b64encode(os.urandom(16))
    return key.decode(), base64.b64encode(hashlib.sha1(key + ACCEPT).digest()).decode()
