"""What every request needs: the settings, the database, and who asks."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request

from cashback import auth
from cashback.database import Database
from cashback.settings import Settings


def settings_of(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def database_of(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


In = Annotated[Database, Depends(database_of)]
Configured = Annotated[Settings, Depends(settings_of)]


def caller(request: Request, settings: Configured) -> str:
    """Return who asks: by a token from the login, or by the smoke token itself."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        if auth.same(token, settings.smoke_token):
            return auth.SMOKE_USER
        if user := auth.user_of(token, settings.jwt_key):
            return user
    raise HTTPException(401, "a valid bearer token is needed", {"WWW-Authenticate": "Bearer"})


Caller = Annotated[str, Depends(caller)]
