"""Work on a project: its services from the work tree, a new answer after a change, and nothing left at the end."""

import signal
import socket
import sys
from pathlib import Path

import pytest

from lading.docker import Engine
from lading.docker.engine import segment
from tests.agents import RealAgent, answer, ended, release_at
from tests.containers import ContainerAgent, engine_shared, with_engine
from tests.support import until
from tests.support_agent import commit

pytestmark = pytest.mark.system

BACKED = """
[project]
name = "counting"

[build.app]
dockerfile = "Dockerfile"

[services.web]
command = "python counting.py"
port    = 8000
env     = { CACHE_URL = "redis://cache:6379" }

[services.cache]
image = "redis:7-alpine"
check = "redis-cli -h cache ping"

[databases.main]
engine  = "postgres"
env     = "DATABASE_URL"
migrate = "python migrate.py"
"""
MIGRATE = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as main:
    main.execute("CREATE TABLE IF NOT EXISTS visits (n serial)")
print("migrated", os.environ["DATABASE_URL"])
"""
COUNTING = """
import os, socket, psycopg
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

class Counting(BaseHTTPRequestHandler):
    def do_GET(self):
        said = self.counted() if self.path == "/visit" else b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def counted(self):
        with psycopg.connect(os.environ["DATABASE_URL"]) as main:
            visits = main.execute("INSERT INTO visits DEFAULT VALUES RETURNING n").fetchone()[0]
        cache = urlsplit(os.environ["CACHE_URL"])
        with socket.create_connection((cache.hostname, cache.port), timeout=5) as line:
            line.sendall(b"INCR visits\\r\\n")
            return f"{visits} {line.recv(100).decode().strip()}".encode()

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Counting).serve_forever()
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_change_shows_and_ctrl_c_leaves_nothing(agent: RealAgent) -> None:
    """The environment's own database, the secrets of the ``.env``, a new answer after a save, exit status 0."""
    agent.checkout("v1.4.0")
    (agent.project / ".env").write_text("TOKEN=orders-token-of-the-dotenv\n")
    agent.start()
    before = set(agent.processes())
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    # The environment that runs the tests has what the project needs.
    process = agent.begin("dev", "--port", str(port), environ={"VIRTUAL_ENV": sys.prefix})
    assert until(lambda: release_at(url), within=20) == "v1.4.0"
    assert answer(url, b"order-1")[0] == 201
    assert agent.orders() == ["order-1"]
    app = agent.project / "orders.py"
    app.write_text(app.read_text().replace("v1.4.0", "v1.4.0-changed"))
    until(lambda: release_at(url) == "v1.4.0-changed", within=20)
    process.send_signal(signal.SIGINT)
    told = agent.told(process)
    assert told.exit == 0
    assert told.result["dev"]["programs"] == ["web", "worker"]
    assert "orders-token" not in "".join(map(str, told.lines)) + told.err
    assert set(agent.processes()) <= before
    assert release_at(url) == ""


@with_engine
def test_its_servers_are_those_of_the_local_environment(tmp_path: Path) -> None:
    """PostgreSQL and Redis are brought up, told and migrated; they outlive the programs, with their data."""
    project = tmp_path / "project"
    project.mkdir()
    for name, text in {"lading.toml": BACKED, "migrate.py": MIGRATE, "counting.py": COUNTING}.items():
        (project / name).write_text(text)
    commit(project)
    agent = ContainerAgent(tmp_path / "home", project, name="counting")
    with engine_shared(), ended([agent]):
        for image in ("postgres:17", "redis:7-alpine"):
            Engine().get(f"/images/{segment(image)}/json")  # make base-images
        assert work(agent, "1 :1") == ["database", "backing"]
        assert work(agent, "2 :2") == []
        down = agent.lading("down")
        assert down.exit == 0, down
        assert {one["name"] for one in down.result["down"]["stopped"]} == {"main", "cache"}


def work(agent: ContainerAgent, expected: str) -> list[str]:
    """Work on the project until it has answered once, and return which steps brought up what backs it."""
    port = _free_port()
    process = agent.begin("dev", "--port", str(port), environ={"VIRTUAL_ENV": sys.prefix})
    until(lambda: answer(f"http://127.0.0.1:{port}/visit")[1] == expected, within=60)
    process.send_signal(signal.SIGINT)
    told = agent.told(process)
    assert (told.exit, told.err) == (0, ""), told
    text = "".join(map(str, told.lines))
    assert "migrated postgresql://counting:•••@" in text
    assert "lading down ends them" in text
    events = [line["event"] for line in told.lines if "event" in line]
    return [event["name"] for event in events if event["kind"] == "done" and event["name"] in ("database", "backing")]
