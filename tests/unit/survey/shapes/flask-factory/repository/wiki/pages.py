from flask import Blueprint

pages = Blueprint("pages", __name__)


@pages.route("/")
def index():
    return "a wiki"


@pages.route("/edit", methods=["POST"])
def edit():
    return "", 204
