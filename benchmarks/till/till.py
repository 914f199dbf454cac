"""The program that benches with containers deploy: a till that takes purchases, ready a fixed time after its start."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

RELEASE = "v1.0.0"
READY_AFTER = 1.0  # seconds after its start; below zero: never
STEP = 0.25  # seconds between two pieces of a slow answer
DRAIN = "/tmp/drain"  # a file by which tools that know no other way tell it to take no more requests

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_started = time.monotonic()
_database: sqlite3.Connection | None = None


def database() -> sqlite3.Connection:
    """Return the connection of this process; the table is made where it is missing."""
    global _database
    if _database is None:
        path = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
        _database = sqlite3.connect(path, timeout=10, isolation_level=None)
        _database.execute("PRAGMA journal_mode = WAL")
        # A flush to the disk at every purchase would make the disk's speed the figure.
        _database.execute("PRAGMA synchronous = NORMAL")
        _database.execute("CREATE TABLE IF NOT EXISTS purchases (reference TEXT NOT NULL, cents INTEGER NOT NULL)")
    return _database


def buy(body: bytes) -> tuple[int, str]:
    """Note a purchase."""
    told = json.loads(body)
    database().execute("INSERT INTO purchases VALUES (?, ?)", (told["reference"], told["amount_cents"]))
    return 201, '{"status": "noted"}'


def ready() -> tuple[int, str]:
    """Tell whether requests may come."""
    database().execute("SELECT count(*) FROM purchases")
    if os.path.exists(DRAIN) or READY_AFTER < 0 or time.monotonic() - _started < READY_AFTER:
        return 503, '{"status": "not ready"}'
    return 200, '{"status": "ok"}'


def pieces(seconds: float, piece: bytes, last: bytes) -> Iterator[tuple[float, bytes]]:
    """Yield pauses and what follows each of them: ``piece`` now and then, ``last`` after ``seconds``."""
    left = seconds
    while left > STEP:
        yield STEP, piece
        left -= STEP
    yield left, last


SLOW = {
    "/api/v1/slow": (b"text/plain", b"more\n", b"end\n"),
    "/api/v1/events": (b"text/event-stream", b"data: more\n\n", b"event: end\ndata: over\n\n"),
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request or WebSocket session."""
    if scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["type"] == "http":
        await http(scope, receive, send)
    else:
        raise RuntimeError("there is nothing to do at the start and the end")


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    path = scope["path"]
    if path in SLOW:
        await stream(path, float(parse_qs(scope["query_string"].decode()).get("seconds", ["5"])[0]), send)
        return
    if scope["method"] == "POST":
        status, text = buy(body)
    elif path == "/ready":
        status, text = ready()
    else:
        status, text = 200, json.dumps({"status": "ok", "release": RELEASE})
    await send(head(status, b"application/json", (b"content-length", str(len(text)).encode())))
    await send({"type": "http.response.body", "body": text.encode()})


async def stream(path: str, seconds: float, send: Send) -> None:
    """Answer piece by piece."""
    kind, piece, last = SLOW[path]
    await send(head(200, kind))
    for pause, data in pieces(seconds, piece, last):
        await asyncio.sleep(pause)
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def head(status: int, kind: bytes, *more: tuple[bytes, bytes]) -> dict[str, Any]:
    """Return the head of an answer; each names the release."""
    headers = [(b"content-type", kind), (b"x-release", RELEASE.encode()), *more]
    return {"type": "http.response.start", "status": status, "headers": headers}


async def echo(receive: Receive, send: Send) -> None:
    """Say every text back until the other side closes."""
    await send({"type": "websocket.accept", "headers": [(b"x-release", RELEASE.encode())]})
    await receive()
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
