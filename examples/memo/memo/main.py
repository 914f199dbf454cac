"""The API: ``uvicorn memo.main:app``."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from memo import RELEASE
from memo.database import Database
from memo.judge import JudgeError, judge_from
from memo.rubric import RubricError, read_rubric
from memo.scoring import score
from memo.settings import Settings, from_environment

LOOK_EVERY = 0.1  # seconds between two looks at a memo that somebody waits for
LARGEST = 1 << 20  # bytes of an attachment
ATTACHMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")


class Submitted(BaseModel):
    """A memo as somebody hands it in."""

    title: str = Field(min_length=1, max_length=200)
    text: str = Field(min_length=1, max_length=100_000)


class Text(BaseModel):
    """A text to score and forget."""

    text: str = Field(min_length=1, max_length=100_000)


def make_app(settings: Settings) -> FastAPI:
    """Return the application; the database is opened when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.database = Database(settings.database)
        yield

    app = FastAPI(title="Memo", version=RELEASE, lifespan=lifespan, openapi_url=None)
    app.state.settings = settings
    for add in (_system, _memos, _live):
        add(app)
    return app


def _state(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Known = Annotated[Database, Depends(_state)]


def _system(app: FastAPI) -> None:
    settings: Settings = app.state.settings

    @app.get("/health")
    def health(database: Known) -> dict[str, Any]:
        """Answer 200 whatever is wrong: who asks has to read the answer."""
        checks = {"database": _database_check(database), "rubric": _rubric_check(settings)}
        well = all(said == "ok" for said in checks.values())
        return {"status": "healthy" if well else "unhealthy", "checks": checks, "release": RELEASE}

    @app.get("/rubric")
    def rubric() -> dict[str, Any]:
        known = read_rubric(settings.config)
        return {"version": known.version, "criteria": {one.name: one.weight for one in known.criteria}}

    @app.post("/score")
    def score_text(given: Text) -> dict[str, Any]:
        """Score a text without keeping it."""
        try:
            return score(given.text, read_rubric(settings.config), judge_from(settings)).plain()
        except JudgeError as error:
            raise HTTPException(502, str(error)) from error


def _database_check(database: Database) -> str:
    try:
        database.check()
    except sqlite3.Error as error:
        return str(error)
    return "ok"


def _rubric_check(settings: Settings) -> str:
    try:
        read_rubric(settings.config)
    except RubricError as error:
        return str(error)
    return "ok"


def _memos(app: FastAPI) -> None:
    settings: Settings = app.state.settings

    @app.post("/memos", status_code=201)
    def submit(given: Submitted, request: Request, database: Known) -> dict[str, Any]:
        visitor = f"{request.url.scheme} {request.client.host if request.client else ''}"
        return {"id": database.add(given.title, given.text, visitor), "state": "waiting"}

    @app.get("/memos")
    def newest(database: Known) -> list[dict[str, Any]]:
        return database.newest()

    @app.get("/memos/{number}")
    def one(number: int, database: Known) -> dict[str, Any]:
        return _found(database, number)

    @app.put("/memos/{number}/attachments/{name}", status_code=201)
    async def attach(number: int, name: str, request: Request, database: Known) -> dict[str, Any]:
        _found(database, number)
        if not ATTACHMENT.fullmatch(name):
            raise HTTPException(422, "an attachment is called like plan.pdf")
        content = await request.body()
        if len(content) > LARGEST:
            raise HTTPException(413, f"an attachment has at most {LARGEST} bytes")
        folder = settings.uploads / str(number)
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return {"name": name, "bytes": len(content)}

    @app.get("/memos/{number}/attachments")
    def attachments(number: int, database: Known) -> dict[str, int]:
        _found(database, number)
        return {path.name: path.stat().st_size for path in sorted((settings.uploads / str(number)).glob("*"))}


def _found(database: Database, number: int) -> dict[str, Any]:
    memo = database.get(number)
    if memo is None:
        raise HTTPException(404, f"there is no memo {number}")
    return memo


def _live(app: FastAPI) -> None:
    @app.get("/memos/{number}/events")
    def events(number: int, database: Known) -> StreamingResponse:
        """Tell of a memo until it is scored, as server-sent events; the last one is of type ``end``."""
        _found(database, number)
        return StreamingResponse(_until_scored(database, number), media_type="text/event-stream")

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        """Send each memo that is scored from now on."""
        database: Database = socket.app.state.database
        await socket.accept()
        seen = await asyncio.to_thread(database.last_scored)
        leaving = asyncio.create_task(socket.receive())
        while not leaving.done():
            newest = await asyncio.to_thread(database.last_scored)
            for number in range(seen + 1, newest + 1):
                memo = database.get(number)
                if memo is not None and memo["state"] == "scored":
                    await socket.send_json({"id": number, "title": memo["title"], "score": memo["score"]})
            seen = max(seen, newest)
            await asyncio.wait([leaving], timeout=LOOK_EVERY)


async def _until_scored(database: Database, number: int) -> AsyncIterator[str]:
    yield f"event: waiting\ndata: {number}\n\n"
    while (memo := await asyncio.to_thread(database.get, number)) and memo["state"] == "waiting":
        await asyncio.sleep(LOOK_EVERY)
    yield f"event: end\ndata: {json.dumps(memo)}\n\n"


def __getattr__(name: str) -> Any:
    # Made when the server asks for it: importing this module needs no configuration.
    if name == "app":
        return make_app(from_environment())
    raise AttributeError(name)
