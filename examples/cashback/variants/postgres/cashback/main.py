"""The web application: ``uvicorn cashback.main:app``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cashback import RELEASE, api, streams, system
from cashback.database import database_from
from cashback.payer import Payer
from cashback.settings import Settings, from_environment
from fastapi import FastAPI

HEADER = (b"x-release", RELEASE.encode())


class SaysItsRelease:
    """Puts ``x-release`` on every answer: outermost, so that errors and WebSockets carry it too."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def tell(message: Any) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", ()), HEADER]}
            await send(message)

        await self._inner(scope, receive, tell)


def make_app(settings: Settings) -> SaysItsRelease:
    """Return the application; the database is opened when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.settings = settings
        app.state.database = database_from(settings.database_url)
        payer = Payer(app.state.database)
        payer.start()
        yield
        payer.stop()
        app.state.database.engine.dispose()

    # The interactive documentation is for development: it is there where DOCS=on says so.
    shown = {"openapi_url": "/openapi.json", "docs_url": "/docs"} if settings.docs else {"openapi_url": None}
    app = FastAPI(title="Cashback", version=RELEASE, lifespan=lifespan, redoc_url=None, **shown)
    for router in (system.router, api.router, streams.router):
        app.include_router(router)
    return SaysItsRelease(app)


def __getattr__(name: str) -> Any:
    # Made when the server asks for it: importing this module needs no configuration.
    if name == "app":
        return make_app(from_environment())
    raise AttributeError(name)
