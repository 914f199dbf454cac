"""The web application: ``uvicorn forecast.main:app``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from forecast import RELEASE, api, system
from forecast.cache import ModelCache
from forecast.settings import Settings, from_environment
from forecast.store import Store


def make_app(settings: Settings) -> FastAPI:
    """Return the application; the database is let go when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.store.close()

    app = FastAPI(title="Forecast", version=RELEASE, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.settings = settings
    app.state.store = Store(settings.database_url)
    app.state.cache = ModelCache(settings.model_cache)
    for router in (system.router, api.router):
        app.include_router(router)
    return app


def __getattr__(name: str) -> Any:
    # Made when the server asks for it: importing this module needs no configuration.
    if name == "app":
        return make_app(from_environment())
    raise AttributeError(name)
