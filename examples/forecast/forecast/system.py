"""Health, readiness, logging in, and the status for who has."""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError

from forecast import RELEASE, auth

router = APIRouter()


class Login(BaseModel):
    """Who wants a token."""

    user: str
    password: str


def operator(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Let nobody pass but who logged in."""
    if not auth.holds(authorization.removeprefix("Bearer "), request.app.state.settings.token_key):
        raise HTTPException(401, "log in first: POST /api/v1/auth/login")


@router.get("/health")
def health() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "up", "release": RELEASE}


@router.get("/ready")
def ready(request: Request, response: Response) -> dict[str, str]:
    """Say whether the tables that this release needs are there."""
    try:
        request.app.state.store.check()
    except SQLAlchemyError as error:
        response.status_code = 503
        return {"database": str(error).partition("\n")[0]}
    return {"database": "ok", "release": RELEASE}


@router.post("/api/v1/auth/login")
def login(request: Request, given: Login) -> dict[str, str]:
    """Give a token to who knows the password."""
    settings = request.app.state.settings
    right = hmac.compare_digest(given.password.encode(), settings.operator_password.encode())
    if given.user != auth.OPERATOR or not right:
        raise HTTPException(401, "user or password is wrong")
    return {"access_token": auth.issue(settings.token_key)}


@router.get("/api/v1/system/status", dependencies=[Depends(operator)])
def status(request: Request) -> dict[str, Any]:
    """Say what there is."""
    state = request.app.state
    return {"status": "ok", "release": RELEASE, "series": len(state.store.names()), "models": len(state.cache)}
