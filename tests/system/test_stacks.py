"""A stack of four beside a project: reached by an alias, untouched by releases, its data kept, nothing published."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.stacks import StackSpec
from tests.stacks import StackBench, pack, side_stacks, with_compose
from tests.support import until

pytestmark = pytest.mark.system

SALT = "canary-salt-4711"
COMPOSE = """
x-common: &common
  image: python:3.11-slim
  environment: { SALT: "${SALT}", DATABASE: "db", CACHE: "cache" }
  depends_on: { db: { condition: service_healthy }, cache: { condition: service_started } }
services:
  web: { <<: *common, command: ["python", "/srv/stack.py", "web"], ports: ["39123:3000"],
         volumes: ["./stack.py:/srv/stack.py:ro"] }
  worker: { <<: *common, command: ["python", "/srv/stack.py", "worker"], volumes: ["./stack.py:/srv/stack.py:ro"] }
  db:
    image: python:3.11-slim
    command: ["python", "/srv/stack.py", "db"]
    volumes: ["rows:/data", "./stack.py:/srv/stack.py:ro"]
    healthcheck: { test: ["CMD", "python", "-c", "import socket; socket.create_connection(('localhost', 5432))"],
                   interval: 1s, start_period: 5s }
  cache: { image: python:3.11-slim, command: ["python", "/srv/stack.py", "cache"],
           volumes: ["./stack.py:/srv/stack.py:ro"] }
volumes: { rows: {} }
"""
# The database keeps lines, the cache a queue; the worker moves from one into the other, the web shows and takes them.
PROGRAM = """
import http.server, os, signal, socketserver, sys, time, socket
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
def ask(host, port, line):
    with socket.create_connection((os.environ[host], port)) as s:
        s.sendall(line.encode() + b"\\n")
        return s.makefile().read()
queue = []
class Cache(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode().strip()
        if line: queue.append(line)
        elif queue: self.wfile.write(queue.pop(0).encode())
class Rows(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline().decode().strip()
        with open("/data/rows", "a+") as rows:
            if line: rows.write(line + "\\n")
            rows.seek(0)
            self.wfile.write(rows.read().encode())
class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = ask("DATABASE", 5432, "")
        self.send_response(200); self.end_headers(); self.wfile.write(said.encode())
    def do_POST(self):
        ask("CACHE", 6379, self.path.strip("/"))
        self.send_response(202); self.end_headers()
    def log_message(self, *a): pass
role = sys.argv[1]
if role == "db": socketserver.ThreadingTCPServer(("", 5432), Rows).serve_forever()
elif role == "cache": socketserver.ThreadingTCPServer(("", 6379), Cache).serve_forever()
elif role == "web": http.server.ThreadingHTTPServer(("", 3000), Web).serve_forever()
else:
    while True:
        line = ask("CACHE", 6379, "")
        ask("DATABASE", 5432, line) if line else time.sleep(0.05)
"""
CALL = "import urllib.request as u; print(u.urlopen(u.Request('http://traces:3000/{}', method='{}')).read().decode())"


@pytest.fixture
def bench() -> Iterator[StackBench]:
    with side_stacks() as bench:
        yield bench


def langfuse(bench: StackBench) -> Path:
    directory = bench.world.home / "langfuse"
    directory.mkdir(exist_ok=True)
    (directory / "compose.yml").write_text(COMPOSE)
    (directory / "stack.py").write_text(PROGRAM)
    return pack(directory)


def spec(**changes: object) -> StackSpec:
    wanted = {"project": "shop", "environment": "stage", "name": "langfuse", "compose": "compose.yml"}
    return StackSpec(**wanted, aliases={"traces": "web"}, **changes)  # type: ignore[arg-type]


def up(bench: StackBench, said: list[str]) -> dict[str, float]:
    state = bench.stacks.up(spec(), langfuse(bench), {"SALT": Secret(SALT)}, said.append)
    return {one.name: one.started for one in state.services}


def call(bench: StackBench, name: str, path: str = "", method: str = "GET") -> str:
    return bench.world.exec(name, "python", "-c", CALL.format(path, method)).strip()


@with_compose
def test_a_stack_beside_a_project(bench: StackBench) -> None:
    """Used by the project's service through its alias; a release and a stop leave it alone, its data outlives it."""
    said: list[str] = []
    started = up(bench, said)
    assert sorted(started) == ["cache", "db", "web", "worker"]
    assert any("39123 is not published" in line for line in said)
    with socket.socket() as free:
        free.bind(("0.0.0.0", 39123))
    runtime = bench.world.runtime
    # A program that is confined reaches it, too: it is within the environment.
    runtime.start(bench.world.spec("web-1", egress=()), {})
    bench.world.up("web-1")
    call(bench, "web-1", "first", "POST")
    until(lambda: call(bench, "web-1") == "first", within=10)
    # What a rollout does.
    runtime.start(bench.world.spec("web-2", rollout=2), {})
    bench.world.up("web-2")
    runtime.remove("web-1")
    assert call(bench, "web-2") == "first"
    runtime.remove("web-2")
    assert up(bench, said) == started
    # Its own end and way back.
    bench.stacks.down("shop", "stage", "langfuse")
    assert bench.world.engine.get("/networks", filters=runtime._names.filters()) == []
    up(bench, said)
    runtime.start(bench.world.spec("web-3", rollout=3), {})
    assert call(bench, "web-3") == "first"
    runtime.remove("web-3")
    assert SALT not in "".join(said)
    assert not [path for path in bench.world.home.rglob("*") if path.is_file() and SALT.encode() in path.read_bytes()]


@with_compose
def test_a_compose_file_reads_nothing_of_the_host(bench: StackBench) -> None:
    """What a file would fill in from files that only root can read is refused: it is read as somebody else."""
    secret = bench.world.home / "key"
    secret.write_text(f"STOLEN={SALT}\n")
    secret.chmod(0o600)
    more = f"\n  thief:\n    image: python:3.11-slim\n    env_file: {secret}\n"
    with pytest.raises(LadingError) as caught:
        bench.stacks.up(spec(), bench.source("web", more=more), {"SALT": Secret("x" * 8)}, lambda _: None)
    assert caught.value.code == "stack-refused"
    assert "permission denied" in str(caught.value)
    assert SALT not in str(caught.value)


@with_compose
def test_a_stack_that_does_not_come_up_says_why(bench: StackBench) -> None:
    """The service that ended, its last lines, without the secret; what is mended comes up by the same command."""
    code = "import os; print('bad salt', os.environ['SALT']); raise SystemExit(3)"
    bad = f'\n  bad:\n    image: python:3.11-slim\n    restart: "no"\n    command: ["python", "-c", "{code}"]\n'
    bad += '    environment: { SALT: "${SALT}" }\n'
    with pytest.raises(LadingError) as caught:
        bench.stacks.up(spec(), bench.source("web", more=bad), {"SALT": Secret(SALT)}, lambda _: None)
    assert caught.value.code == "stack-failed"
    assert "bad is not well: exited, status 3" in str(caught.value)
    assert "bad salt •••" in str(caught.value)
    state = bench.stacks.up(spec(), bench.source("web"), {"SALT": Secret(SALT)}, lambda _: None)
    assert [one.name for one in state.services] == ["web"]
