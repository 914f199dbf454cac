from flask import Blueprint

status = Blueprint("status", __name__, url_prefix="/status")


@status.route("/healthcheck")
def healthcheck():
    return {"status": "up"}
