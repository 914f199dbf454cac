import os

from fastapi import FastAPI


def create_app() -> FastAPI:
    app = FastAPI()
    app.state.database = os.environ["DATABASE_URL"]
    app.state.cache = os.environ["REDIS_URL"]
    app.state.currency = os.environ.get("ORDERS_CURRENCY", "USD")

    @app.get("/api/health")
    async def health():
        return {"status": "ok"}

    return app
