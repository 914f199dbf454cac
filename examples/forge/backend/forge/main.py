"""The interface: questions, plans, workspaces, their story as a stream, and a small shell in each."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

from forge import RELEASE
from forge.plan import plan
from forge.questions import QUESTIONS, VERSION, Unanswered, read
from forge.workspace import Workspaces

LOOK_EVERY = 0.05  # seconds between two looks at a story

workspaces = Workspaces(Path(os.environ.get("WORKSPACES_DIR", "workspaces")))


@asynccontextmanager
async def life(_app: FastAPI) -> AsyncIterator[None]:
    """Carry on what the process before left half forged."""
    for number in workspaces.unfinished():
        _begin(number)
    yield


app = FastAPI(title="forge", lifespan=life)


def _begin(number: str) -> None:
    threading.Thread(target=workspaces.forge, args=(number,), daemon=True).start()


def _known(number: str) -> dict[str, Any]:
    found = workspaces.look(number)
    if found is None:
        raise HTTPException(404, "there is no workspace of that number")
    return found


@app.exception_handler(Unanswered)
def unanswered(_request: Request, error: Unanswered) -> JSONResponse:
    """Say what is wrong with each answer."""
    return JSONResponse({"problems": error.problems}, 422)


@app.get("/health")
def health() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "ok"}


@app.get("/ready")
def ready() -> dict[str, str]:
    """Say whether workspaces can be written."""
    if not workspaces.usable():
        raise HTTPException(503, f"{workspaces.root} cannot be written")
    return {"status": "ok"}


@app.get("/status")
def status(request: Request) -> dict[str, str]:
    """Say which release answers, and by what way it was asked."""
    return {"release": RELEASE, "scheme": request.url.scheme, "authorization": request.headers.get("authorization", "")}


@app.get("/questions")
def questions() -> dict[str, Any]:
    """Return the questionnaire."""
    return {"version": VERSION, "questions": QUESTIONS}


@app.post("/plans")
def draft(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the plan that answers make, and keep nothing."""
    given = read(answers)
    return {"name": given["name"], "files": [one["path"] for one in plan(given)]}


@app.post("/workspaces", status_code=201)
def create(answers: dict[str, Any]) -> dict[str, Any]:
    """Keep the plan that answers make as a workspace."""
    given = read(answers)
    return _known(workspaces.create(given, plan(given)))


@app.get("/workspaces")
def newest() -> list[dict[str, Any]]:
    """Return the newest workspaces."""
    return [_known(number) for number in workspaces.names()[:20]]


@app.get("/workspaces/{number}")
def look(number: str) -> dict[str, Any]:
    """Return a workspace; one that nobody forges any more is carried on."""
    found = _known(number)
    if found["state"] == "forging":
        _begin(number)
    return found


@app.post("/workspaces/{number}/forge", status_code=202)
def forge(number: str) -> dict[str, Any]:
    """Begin to write a workspace's files."""
    found = _known(number)
    _begin(number)
    return found


@app.get("/workspaces/{number}/files/{path:path}")
def file(number: str, path: str) -> PlainTextResponse:
    """Return a forged file."""
    _known(number)
    content = workspaces.read(number, path)
    if content is None:
        raise HTTPException(404, "there is no file of that path")
    return PlainTextResponse(content)


@app.get("/workspaces/{number}/events")
async def events(number: str) -> StreamingResponse:
    """Stream a workspace's story, until its end."""
    _known(number)

    async def stream() -> AsyncIterator[str]:
        told = 0
        while True:
            story = await asyncio.to_thread(workspaces.story, number)
            for one in story[told:]:
                yield f"event: {one['event']}\ndata: {json.dumps(one)}\n\n"
                if one["event"] == "end":
                    return
            told = len(story)
            await asyncio.sleep(LOOK_EVERY)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@app.websocket("/workspaces/{number}/shell")
async def shell(socket: WebSocket, number: str) -> None:
    """Answer ``ls`` and ``cat PATH``, a line each."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(answer(number, await socket.receive_text()))
    except WebSocketDisconnect:
        return


def answer(number: str, line: str) -> str:
    """Return what the shell says to a line."""
    word, _, rest = line.strip().partition(" ")
    if word == "ls":
        return "\n".join(workspaces.files(number)) or "nothing is forged yet"
    if word == "cat":
        return workspaces.read(number, rest) or f"there is no file {rest}"
    return "ls, or cat PATH"
