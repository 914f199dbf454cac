import os

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from wiki.pages import pages
from wiki.status import status

db = SQLAlchemy()
migrate = Migrate()


def create_app(config=None):
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY", "dev")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ.get("DATABASE_URL", "sqlite:///wiki.db")
    app.config["UPLOADS"] = os.environ.get("WIKI_UPLOADS", "uploads")
    db.init_app(app)
    migrate.init_app(app, db)
    app.register_blueprint(pages)
    app.register_blueprint(status, url_prefix="/_system")

    @app.route("/ready")
    def ready():
        db.session.execute(text("select count(*) from pages"))
        return {"status": "ready"}

    return app
