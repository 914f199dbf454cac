"""Answers that take their time: what a deployment must not cut off."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from cashback import RELEASE

router = APIRouter(prefix="/api/v1")

PIECE_SECONDS = 0.1
EVENT_SECONDS = 0.5


@router.get("/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=10)] = 5.0) -> StreamingResponse:
    """Answer piece by piece over ``seconds``; the last line is ``end``, so that a cut answer can be told."""
    return StreamingResponse(_pieces(seconds), media_type="text/plain")


async def _pieces(seconds: float) -> AsyncIterator[str]:
    ends = time.monotonic() + seconds
    yield f"start {RELEASE}\n"
    while (left := ends - time.monotonic()) > 0:
        await asyncio.sleep(min(PIECE_SECONDS, left))
        yield ".\n"
    yield "end\n"


@router.get("/events")
async def events(seconds: Annotated[float, Query(ge=0, le=300)] = 10.0) -> StreamingResponse:
    """Send server-sent events for ``seconds``; the last one is of the type ``end``."""
    return StreamingResponse(_events(seconds), media_type="text/event-stream", headers={"cache-control": "no-store"})


async def _events(seconds: float) -> AsyncIterator[str]:
    ends, number = time.monotonic() + seconds, 0
    while (left := ends - time.monotonic()) > 0:
        number += 1
        yield f"id: {number}\nevent: tick\ndata: {json.dumps({'n': number, 'release': RELEASE})}\n\n"
        await asyncio.sleep(min(EVENT_SECONDS, left))
    yield f"id: {number + 1}\nevent: end\ndata: {{}}\n\n"


@router.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    """Send every text back."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return
