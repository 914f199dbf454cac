"""One connection that the rules led to the gate: judged by what it is for, passed on or refused."""

import asyncio
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from lading.runtime.docker.egress.confined import PROXY_PORT, WEB_PORTS, Confined, is_peers, normal
from lading.runtime.docker.egress.known import Known
from lading.runtime.docker.egress.peek import LONGEST, name_in
from lading.runtime.docker.egress.refused import Refused

SO_ORIGINAL_DST = 80
HEAD_TIMEOUT = 20.0  # seconds until a program has said what it wants
CONNECT_TIMEOUT = 15.0  # seconds until the other end answers
CHUNK = 1 << 16  # bytes passed on at a time
NOT_ALLOWED = "is not in its egress"


class Wanted(NamedTuple):
    """What a connection is for, and what was read of it: ``first`` is to be sent on, ``said`` answered before."""

    host: str
    port: int
    first: bytes = b""
    said: bytes = b""


class Refusal(Exception):
    """What was tried and why it is refused; ``status`` where it was asked of a proxy."""

    def __init__(self, what: str, why: str = NOT_ALLOWED, status: str = "") -> None:
        super().__init__(what, why, status)
        self.what, self.why, self.status = what, why, status


class Passing:
    """Passes connections of confined containers on."""

    def __init__(self, known: Known, refused: Refused) -> None:
        self._known = known
        self._refused = refused

    async def take(self, one: Confined, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        try:
            wanted = await self._wanted(one, reader, _meant(writer))
            out_reader, out_writer = await self._reach(one, wanted)
        except Refusal as refusal:
            self._refused.tell(one, refusal.what, refusal.why)
            await _refuse(writer, refusal)
            return
        except _Failed as failed:
            await _end(writer, failed.answer)
            return
        if wanted.said:
            writer.write(wanted.said)
        if wanted.first:
            out_writer.write(wanted.first)
        await _relay((reader, writer), (out_reader, out_writer))

    async def _wanted(self, one: Confined, reader: asyncio.StreamReader, meant: tuple[str, int]) -> Wanted:
        address, port = meant
        if (address, port) == (one.gateway, PROXY_PORT):
            return _proxied(one, await _head(reader))
        if any(end.port == port for end in one.endpoints):
            if port in WEB_PORTS:
                return await self._web(one, reader, address, port)
            if await self._known.allows(one, address, port):
                return Wanted(address, port)
        what = "this host" if address == one.gateway else address
        raise Refusal(f"{what}:{port}")

    async def _web(self, one: Confined, reader: asyncio.StreamReader, address: str, port: int) -> Wanted:
        """Judge a connection to a web port by the name in it: many names share one address."""
        first = await _peek(reader)
        name = normal(name_in(first).name)
        if not name and one.allows(address, port):
            return Wanted(address, port, first)
        if not name or not one.allows(name, port):
            raise Refusal(f"{name or address}:{port}")
        return Wanted(name, port, first)

    async def _reach(self, one: Confined, wanted: Wanted) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        addresses: Sequence[str] = await self._known.addresses(one, wanted.host)
        place = f"{wanted.host}:{wanted.port}"
        if not addresses and (wanted.said or wanted.first.startswith(_METHODS)):
            raise _Failed(_answer("502 Bad Gateway", f"{place} leads nowhere outside of this host"))
        for address in addresses:
            with suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(address, wanted.port), CONNECT_TIMEOUT)
        raise _Failed(_answer("504 Gateway Timeout", f"{place} does not answer") if wanted.said else b"")


_METHODS = (b"GET ", b"POST ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ", b"OPTIONS ")


class _Failed(Exception):
    """The other end cannot be reached; ``answer`` tells a program that asked a proxy."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def _meant(writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Return the address and port that a connection was for before the rules led it here."""
    sock: socket.socket = writer.get_extra_info("socket")
    try:
        packed = sock.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
    except OSError:
        host, port = writer.get_extra_info("sockname")[:2]
        return str(host), int(port)
    port, raw = struct.unpack_from("!2xH4s", packed)
    return socket.inet_ntoa(raw), int(port)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_TIMEOUT)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError) as error:
        raise _Failed(_answer("400 Bad Request", "no whole request came")) from error


def _proxied(one: Confined, head: bytes) -> Wanted:
    """Return what a proxy is asked for: ``CONNECT host:port``, or a request for a whole address."""
    lines = head.decode("latin-1").split("\r\n")
    method, _, rest = lines[0].partition(" ")
    target, _, version = rest.rpartition(" ")
    try:
        if method == "CONNECT":
            asked = urlsplit(f"//{target}")
            host, port = asked.hostname or "", asked.port or 443
            said, first = b"HTTP/1.1 200 Connection established\r\n\r\n", b""
        else:
            asked = urlsplit(target)
            if asked.scheme != "http" or not version.startswith("HTTP/"):
                raise ValueError(target)
            host, port = asked.hostname or "", asked.port or 80
            said, first = b"", _own_form(method, target, version, asked.netloc.rpartition("@")[2], lines[1:])
    except ValueError as error:
        raise _Failed(_answer("400 Bad Request", "a proxy takes CONNECT and requests for http:// addresses")) from error
    if not one.allows(host, port):
        why = f"{host}:{port} {NOT_ALLOWED}"
        raise Refusal(f"{host}:{port}", status=why)
    return Wanted(host, port, first, said)


def _own_form(method: str, target: str, version: str, host: str, headers: Sequence[str]) -> bytes:
    """Return a request's head as the other end itself is asked; it is the only one on its connection."""
    path = target.partition("://")[2].partition("/")[2]
    query = "" if "/" in target.partition("://")[2] else "?".join(["", *target.split("?", 1)[1:]])
    dropped = ("proxy-", "connection:", "host:", "keep-alive:")
    kept = [line for line in headers if line and not line.lower().startswith(dropped)]
    lines = [f"{method} /{path}{query} {version}", f"Host: {host}", "Connection: close", *kept, "", ""]
    return "\r\n".join(lines).encode("latin-1")


async def _peek(reader: asyncio.StreamReader) -> bytes:
    data = b""
    try:
        async with asyncio.timeout(HEAD_TIMEOUT):
            while not name_in(data).whole and len(data) < LONGEST:
                chunk = await reader.read(CHUNK)
                if not chunk:
                    break
                data += chunk
    except (TimeoutError, OSError) as error:
        raise _Failed(b"") from error
    return data


def _answer(status: str, text: str) -> bytes:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


async def _refuse(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    if refusal.status:
        await _end(writer, _answer("403 Forbidden", refusal.status))
        return
    sock: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError):
        # Reset, so that a program sees a refusal and not an end.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await _end(writer, b"")


async def _end(writer: asyncio.StreamWriter, answer: bytes) -> None:
    with suppress(OSError):
        writer.write(answer)
        await writer.drain()
    writer.close()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _relay(inner: Ends, outer: Ends) -> None:
    """Pass bytes on both ways until both ends have said all."""
    try:
        await asyncio.gather(_pump(inner[0], outer[1]), _pump(outer[0], inner[1]))
    finally:
        for writer in (inner[1], outer[1]):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()


def is_worth_telling(name: str) -> bool:
    """Tell whether a question for a name is an attempt to get out: names within the environment are none."""
    return not is_peers(name)
