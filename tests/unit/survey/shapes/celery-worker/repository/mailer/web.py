from flask import Flask

from mailer.tasks import send

app = Flask(__name__)


@app.get("/healthz")
def healthz():
    return "ok"


@app.post("/send")
def enqueue():
    send.delay()
    return "", 202
