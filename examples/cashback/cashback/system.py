"""Whether it is up, whether it is ready, who may log in, and how it is."""

import json
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from cashback import RELEASE, auth
from cashback.context import Caller, Configured, In
from cashback.models import User

router = APIRouter()


class Account(BaseModel):
    user: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=8, max_length=200)


@router.get("/health")
async def health() -> dict[str, str]:
    """The process is up. No database is asked: a process is not restarted because the disk is slow."""
    return {"status": "ok"}


@router.get("/ready")
def ready(database: In) -> JSONResponse:
    """Requests may come: the database answers and its tables are there."""
    problem = database.problem()
    return JSONResponse({"database": problem or "ok"}, 503 if problem else 200)


@router.post("/api/v1/login")
async def login(request: Request, database: In, settings: Configured) -> dict[str, str]:
    """Give a token to who knows the password; the body is a form or JSON."""
    user, password = await _credentials(request)
    # Off the event loop: hashing takes tens of milliseconds, and streams run on it.
    if not await run_in_threadpool(_known, database, settings, user, password):
        raise HTTPException(401, "unknown user or wrong password")
    return {"access_token": auth.make_token(user, settings.jwt_key), "token_type": "bearer"}


async def _credentials(request: Request) -> tuple[str, str]:
    body = await request.body()
    if request.headers.get("content-type", "").startswith("application/json"):
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
    else:
        fields = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    if not isinstance(fields, dict):
        raise HTTPException(422, "user and password are needed, as a form or as JSON")
    user, password = fields.get("user", fields.get("username")), fields.get("password")
    if not (isinstance(user, str) and isinstance(password, str)):
        raise HTTPException(422, "user and password are needed, as a form or as JSON")
    return user, password


def _known(database: In, settings: Configured, user: str, password: str) -> bool:
    # The database is asked for every user, so that a login also shows that it can be read.
    with database.reading() as session:
        stored = session.get(User, user)
    if user == auth.SMOKE_USER:
        return auth.same(password, settings.smoke_token)
    return stored is not None and auth.matches(password, stored.password)


@router.post("/api/v1/users", status_code=201)
def create_user(account: Account, database: In, _: Caller) -> dict[str, str]:
    """Add somebody who may log in."""
    with database.writing() as session:
        if account.user == auth.SMOKE_USER or session.get(User, account.user):
            raise HTTPException(409, f"there is a user {account.user}")
        session.add(User(name=account.user, password=auth.hash_password(account.password)))
    return {"user": account.user}


@router.get("/api/v1/system/status")
def status(database: In, user: Caller) -> dict[str, str]:
    """Tell who is asking what answers, and that the database does."""
    problem = database.problem()
    if problem:
        raise HTTPException(503, f"database: {problem}")
    return {"status": "ok", "version": RELEASE, "user": user}
