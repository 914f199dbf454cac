import os

from flask import Flask

from wiki.pages import pages
from wiki.status import status


def create_app(config=None):
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY", "dev")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite:///wiki.db")
    app.config["UPLOADS"] = os.environ.get("WIKI_UPLOADS", "uploads")
    app.register_blueprint(pages)
    app.register_blueprint(status, url_prefix="/_system")
    return app
