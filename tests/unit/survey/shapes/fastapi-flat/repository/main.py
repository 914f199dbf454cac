import os

from fastapi import FastAPI

app = FastAPI(title="Hello")
GREETING = os.environ.get("GREETING", "hello")


@app.get("/health")
def health():
    return {"status": "up"}


@app.get("/ready")
def ready():
    return {"status": "ready"}


@app.get("/")
def hello():
    return {"greeting": GREETING}
