"""The waiting room: keeps requests while nobody may answer them, and passes them on once somebody may.

Run as ``python -m lading.router.room ROOT NAME SECONDS PATH…``; it returns once it listens, one port a path, and goes
on in the background until it is told where to pass requests on to (:func:`told`) and has done so. It is a program of
its own because requests must not be lost with the agent. Standard library only: it must start at once.
"""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import sys
import time
from itertools import count
from pathlib import Path

from lading.router.identity import boot_id, read_json, start_time, write_whole
from lading.router.process import detach

LOOK_EVERY = 0.05  # seconds between two looks at whether requests can be passed on, should the signal be missed
LINGER = 3.0  # seconds to stay for requests that the router sent just before it knew better
CHUNK = 64 * 1024  # bytes passed on at a time
LAST_WORDS = 1.0  # seconds a client may take to hear that it waited in vain
RETRY_AFTER = 2  # seconds after which clients are told to try again

BODY = b"what serves here is being replaced; try again in a moment\n"
IN_VAIN = (
    f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {RETRY_AFTER}\r\nContent-Type: text/plain\r\n"
    f"Cache-Control: no-store\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
).encode() + BODY


def state_of(root: Path, name: str, pid: int) -> Path:
    """Return the file in which a room says who it is and on which ports it listens."""
    return root / f"{name}.{pid}.json"


def told(root: Path, name: str, pid: int) -> Path:
    """Return the file that tells a room where requests of each path go: JSON, path → list of ``host:port``."""
    return root / f"{name}.{pid}.told"


class Room:
    """One environment's requests that wait, ``limit`` seconds each."""

    def __init__(self, root: Path, name: str, limit: float) -> None:
        self._state = state_of(root, name, os.getpid())
        self._told = told(root, name, os.getpid())
        self._limit = limit
        self._open = asyncio.Event()
        self._places: dict[str, list[str]] = {}
        self._turn = count()
        self._inside = 0
        self._last = time.monotonic()

    async def serve(self, sockets: dict[str, socket.socket]) -> None:
        """Take requests until they can be passed on and none is left."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._look)
        for path, listening in sockets.items():
            await asyncio.start_server(
                lambda reader, writer, path=path: self._arrive(reader, writer, path),  # type: ignore[misc]
                sock=listening,
            )
        while not (self._open.is_set() and not self._inside and time.monotonic() - self._last > LINGER):
            self._look()
            await asyncio.sleep(LOOK_EVERY)
        self._leave()

    def _look(self) -> None:
        if not self._open.is_set() and self._told.exists():
            with contextlib.suppress(OSError):  # it cannot be read just now: the next look finds it
                self._places = read_json(self._told)
                self._open.set()

    def _leave(self) -> None:
        self._state.unlink(missing_ok=True)
        self._told.unlink(missing_ok=True)

    async def _arrive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        self._inside += 1
        try:
            # The router opens connections in advance; only what was asked waits for an answer.
            begun = await reader.read(CHUNK)
            if begun:
                await self._answer(begun, reader, writer, path)
        except OSError:
            pass  # one of the two sides left
        finally:
            writer.close()
            self._inside -= 1
            self._last = time.monotonic()

    async def _answer(
        self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str
    ) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._open.wait(), self._limit)
        places = self._places.get(path, [])
        first = next(self._turn)
        for offset in range(len(places)):
            host, _, port = places[(first + offset) % len(places)].rpartition(":")
            try:
                there = await asyncio.open_connection(host.strip("[]"), int(port))
            except OSError:
                continue
            await _join(begun, (reader, writer), there)
            return
        await _turn_away(reader, writer)


async def _join(
    begun: bytes,
    here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Pass bytes on in both directions until both sides have said all they had to say."""
    try:
        there[1].write(begun)
        await asyncio.gather(_pass_on(here[0], there[1]), _pass_on(there[0], here[1]))
    finally:
        there[1].close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):  # it has left already
        writer.write_eof()


async def _turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell a client to try again; what it still sends is read, so that closing does not take the answer away."""
    writer.write(IN_VAIN)
    await writer.drain()
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_read_away(reader), LAST_WORDS)


async def _read_away(reader: asyncio.StreamReader) -> None:
    while await reader.read(CHUNK):
        continue


def main(arguments: list[str]) -> int:
    """Open a room; return once it listens."""
    root, name, limit, paths = Path(arguments[0]), arguments[1], float(arguments[2]), arguments[3:]
    sockets = {path: socket.create_server(("127.0.0.1", 0), backlog=1024) for path in paths}
    listens, ready = os.pipe()
    if os.fork():
        os.close(ready)
        return 0 if os.read(listens, 1) else 1
    os.close(listens)
    detach(root / f"{name}.log")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ports = {path: listening.getsockname()[1] for path, listening in sockets.items()}
    pid = os.getpid()
    # It may be told at once, before it has begun to listen for that: the next look finds what it was told.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    state = {"name": name, "boot": boot_id(), "pid": pid, "started": start_time(pid), "ports": ports, "limit": limit}
    write_whole(state_of(root, name, pid), json.dumps(state).encode())
    os.write(ready, b"1")
    os.close(ready)
    asyncio.run(Room(root, name, limit).serve(sockets))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
