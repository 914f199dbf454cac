"""Small instances to route to, and a load that counts every request without a complete correct answer."""

import asyncio
import base64
import contextlib
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# Test runs side by side must not take each other's ports; above 32767 the system gives them to clients.
FIRST_PORT = 20000 + os.getpid() % 200 * 60

TICK = 0.03  # seconds between two events of a stream
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def close(self) -> None:
        self.submit(self._cancel_all()).result(5.0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5.0)
        self.loop.close()

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Instance:
    """A program behind the router: answers with its name; ``ready`` decides what ``/ready`` says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = True
        self.seen: list[str] = []
        self.probe_hosts: list[str] = []
        self._loop = Loop()
        self._server = self._loop.submit(asyncio.start_server(self._serve, "127.0.0.1", 0)).result(5.0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self._server.close()
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    async def _answer(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = head.split(" ", 2)[1]
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head.split("\r\n")[1:])}
        # One that answers and leaves before it has read the request resets the connection, sometimes before the answer.
        await reader.readexactly(int(headers.get("content-length", 0)))
        if path == "/ready":
            self.probe_hosts.append(headers["host"])
            _reply(writer, "200 OK" if self.ready else "503 Service Unavailable", "")
            return
        self.seen.append(path)
        if path == "/stream":
            await self._stream(writer)
        elif path == "/ws":
            await self._websocket(headers, reader, writer)
        else:
            if path == "/slow":
                await asyncio.sleep(1.0)
            _reply(writer, "500 Broken" if path == "/broken" else "200 OK", head if path == "/head" else self.name)
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        while not writer.is_closing():
            writer.write(f"data: {self.name}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(TICK)

    async def _websocket(
        self, headers: dict[str, str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        accept = base64.b64encode(hashlib.sha1(headers["sec-websocket-key"].encode() + WEBSOCKET_GUID).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: " + accept + b"\r\n\r\n"
        )
        # The router passes bytes on as they come, so lines serve as well as frames.
        while line := await reader.readline():
            writer.write(self.name.encode() + b" " + line)
            await writer.drain()


def _reply(writer: asyncio.StreamWriter, status: str, body: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())


class Load:
    """Requests at a steady rate from now on, half over connections kept alive, half over new ones; no retries.

    ``names`` counts who answered, ``failures`` lists what was no complete answer 200, ``slowest`` is in seconds.
    """

    def __init__(self, port: int, per_second: float, *, kept: int = 4, only_new: bool = False) -> None:
        self.port = port
        self.names: Counter[str] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0
        self._period = 1.0 / per_second
        self._only_new = only_new
        self._kept: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(kept):
            self._kept.put_nowait(None)
        self._running = True
        self._loop = Loop()
        self._done = self._loop.submit(self._run())

    @property
    def sent(self) -> int:
        return self.names.total() + len(self.failures)

    def stop(self) -> None:
        self._running = False
        self._done.result(10.0)
        self._loop.close()

    async def _run(self) -> None:
        tasks, began, number = set(), time.monotonic(), 0
        while self._running:
            number += 1
            new = self._only_new or number % 2 == 0
            task = asyncio.create_task(self._new() if new else self._over_kept())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, began + number * self._period - time.monotonic()))
        await asyncio.gather(*tasks)
        while not self._kept.empty():
            connection = self._kept.get_nowait()
            if connection is not None:
                await _close(connection[1])

    async def _new(self) -> None:
        began = time.monotonic()
        writer = None
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            await self._ask(reader, writer, "close")
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.failures.append(f"new connection: {error!r}")
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)
            if writer is not None:
                await _close(writer)

    async def _over_kept(self) -> None:
        connection = await self._kept.get()
        try:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", self.port)
            await self._ask(*connection, "keep-alive")
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.failures.append(f"kept connection: {error!r}")
            if connection is not None:
                await _close(connection[1])
            connection = None
        self._kept.put_nowait(connection)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: str) -> None:
        writer.write(f"GET / HTTP/1.1\r\nHost: x.example\r\nConnection: {connection}\r\n\r\n".encode())
        status, body = await asyncio.wait_for(read_answer(reader), 10.0)
        if status != 200:
            raise ValueError(f"status {status}")
        self.names[body] += 1


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # the other side was quicker
        await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Return status and body of an answer that has a length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    length = next(int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:"))
    return int(head.split(" ", 2)[1]), (await reader.readexactly(length)).decode()


@contextlib.contextmanager
def load(port: int, per_second: float, **more: Any) -> Iterator[Load]:
    """Keep a load going for the length of the block; it has ended when the block has."""
    going = Load(port, per_second, **more)
    try:
        yield going
    finally:
        going.stop()
