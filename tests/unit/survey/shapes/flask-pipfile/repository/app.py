import os
import sqlite3

from flask import Flask

app = Flask(__name__)
DB_PATH = os.getenv("GUESTBOOK_DB", "guestbook.sqlite")


@app.route("/")
def guests():
    with sqlite3.connect(DB_PATH) as connection:
        connection.execute("create table if not exists guests (name text)")
        return str(connection.execute("select count(*) from guests").fetchone()[0])


if __name__ == "__main__":
    app.run(debug=True)
