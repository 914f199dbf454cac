from fastapi import FastAPI

from parcels.routes import health, parcels
from parcels.settings import settings


def create_app() -> FastAPI:
    app = FastAPI()
    app.include_router(health.router, prefix=settings.api_prefix)
    app.include_router(parcels.router, prefix=settings.api_prefix)
    return app


app = create_app()
