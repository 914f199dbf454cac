import os

from fastapi import APIRouter, FastAPI
from sqlalchemy import text

from .database import engine

SECRET_KEY = os.environ["SECRET_KEY"]
app = FastAPI()
system = APIRouter(prefix="/system")


@system.get("/ready")
def ready():
    with engine.connect() as connection:
        connection.execute(text("select 1 from notes limit 1"))
    return {"database": "ok"}


@app.get("/ping")
def ping():
    return "pong"


app.include_router(system, prefix="/api")
