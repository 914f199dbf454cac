"""A small project with a git history, made up for tests: it starts quickly and does what each test needs of it.

v1.0.0 and v1.1.0 work. v1.2.0 is never ready. v1.3.0 fails only for requests that come through a router. v1.4.0 brings
a worker. v1.5.0 dies of a visitor's first request.
"""

from pathlib import Path

from tests.support_agent import commit, git

NAME = "orders"
TOKEN = "orders-token-5e2f81"
VERSIONS = ("v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0", "v1.5.0")

APP = """
import os, sqlite3

RELEASE = "v1.0.0"
FAULT = ""
FILE = os.environ["DATABASE_URL"].removeprefix("sqlite:///")

def database():
    connection = sqlite3.connect(FILE, timeout=10, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE IF NOT EXISTS orders (id TEXT NOT NULL, release TEXT NOT NULL)")
    return connection

def place(body):
    with database() as connection:
        connection.execute("INSERT INTO orders VALUES (?, ?)", (body.decode(), RELEASE))
    connection.close()
    return 201, RELEASE

def ready(headers):
    database().close()
    return (503, "payouts.settled_at is missing") if FAULT == "never ready" else (200, "ok")

def status(headers):
    if headers.get(b"authorization") != b"Bearer " + os.environ["TOKEN"].encode():
        return 401, "who are you"
    if FAULT == "router" and b"x-forwarded-for" in headers:
        return 500, "broken behind a router"
    return 200, '{"status": "ok", "release": "%s"}' % RELEASE

GET = {"/ready": ready, "/status": status}

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["method"] == "POST":
        code, text = place(body)
    else:
        die_of(scope)
        code, text = GET.get(scope["path"], lambda headers: (200, RELEASE))(dict(scope["headers"]))
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    head.append((b"x-release", RELEASE.encode()))
    await send({"type": "http.response.start", "status": code, "headers": head})
    await send({"type": "http.response.body", "body": text.encode()})

def die_of(scope):
    if FAULT == "dies" and scope["path"] == "/" and b"x-forwarded-for" in dict(scope["headers"]):
        os._exit(3)
"""

# A command of the suite, in the release's own environment.
BOOKS = """
import os, sqlite3
file = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
print(sqlite3.connect(file).execute("SELECT count(*) FROM orders").fetchone()[0], "orders")
"""

WORKER = """
import time
while True:
    time.sleep(1)
"""

COMMAND = 'command = "uvicorn orders:app --no-access-log --log-level warning --lifespan off"\n'

MANIFEST = f"""
[project]
name = "{NAME}"

[build.app]
bundle = "requirements.txt"

[services.web]
{COMMAND}port    = 8000
health  = "/health"
ready   = {{ path = "/ready", within = "3s" }}
grace   = "3s"

[databases.main]
engine = "sqlite"
env    = "DATABASE_URL"

[[smoke]]
name   = "status"
get    = "/status"
auth   = {{ bearer = "TOKEN" }}
expect = {{ status = 200, json = {{ status = "ok" }} }}

[[smoke]]
name   = "strangers stay out"
get    = "/status"
expect = {{ status = 401 }}

[[smoke]]
name    = "books"
command = "python books.py"
expect  = {{ text = "orders" }}

[secrets]
required = ["TOKEN"]

[environments.local]
strategy = {{ watch = "300ms" }}

[environments.stage]
strategy = {{ watch = "300ms" }}

[environments.production]
strategy = {{ watch = "300ms" }}
requires = {{ passed = "stage" }}
"""

WITH_WORKER = """
[services.worker]
build   = "app"
command = "python worker.py"
grace   = "2s"
"""

REQUIREMENTS = r"""
click==8.5.1 \
    --hash=sha256:8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37
h11==0.16.0 \
    --hash=sha256:63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86
uvicorn==0.30.6 \
    --hash=sha256:65fd46fe3fda5bdc1b03b94eb634923ff18cd35b2f084813ea79d1f103f711b5
"""

FAULTS = {"v1.2.0": "never ready", "v1.3.0": "router", "v1.5.0": "dies"}


DOCKERFILE = """
FROM python:3.11-slim
WORKDIR /srv
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes -r requirements.txt
COPY *.py ./
USER 10001
CMD ["uvicorn", "orders:app", "--no-access-log", "--log-level", "warning", "--lifespan", "off"]
"""


def as_image(directory: Path, version: str, web: str = "") -> None:
    """Turn one version of the project into one that is built as an image; its tag moves.

    ``web`` are further lines for its service of that name.
    """
    git(directory, "checkout", "-q", "--detach", version)
    manifest = (directory / "lading.toml").read_text()
    (directory / "lading.toml").write_text(
        manifest.replace('bundle = "requirements.txt"', 'dockerfile = "Dockerfile"').replace(COMMAND, web)
    )
    (directory / "Dockerfile").write_text(DOCKERFILE)
    git(directory, "tag", "--delete", version)
    commit(directory, f"{version} as an image", tag=version)


def as_images(directory: Path) -> Path:
    """Turn every version of the project into one that is built as an image; its tags move."""
    for version in VERSIONS:
        as_image(directory, version)
    git(directory, "checkout", "-q", "--detach", VERSIONS[0])
    return directory


GREEDY_LATER = """
def die_of(scope):
    if scope["path"] == "/" and b"x-forwarded-for" in dict(scope["headers"]):
        globals()["hoard"] = b"x" * (512 << 20)
"""


def add_greedy(directory: Path, version: str, *, later: bool) -> None:
    """Add a version, like v1.1.0, that wants more memory than it may have: when it starts, or of a first visitor."""
    git(directory, "checkout", "-q", "--detach", "v1.1.0")
    with (directory / "orders.py").open("a") as program:
        program.write(GREEDY_LATER if later else '\nhoard = b"x" * (512 << 20)\n')
    app = (directory / "orders.py").read_text().replace("v1.1.0", version)
    (directory / "orders.py").write_text(app)
    manifest = (directory / "lading.toml").read_text()
    (directory / "lading.toml").write_text(
        manifest.replace("port    = 8000\n", 'port    = 8000\nresources = { memory = "128MiB" }\n')
    )
    commit(directory, version, tag=version)


def make_project(directory: Path) -> Path:
    """Make the project with a commit and a tag for each version, and leave v1.0.0 checked out."""
    directory.mkdir(parents=True)
    for name, text in {"requirements.txt": REQUIREMENTS, "books.py": BOOKS, "worker.py": WORKER}.items():
        (directory / name).write_text(text)
    for version in VERSIONS:
        app = APP.replace("v1.0.0", version).replace('FAULT = ""', f'FAULT = "{FAULTS.get(version, "")}"')
        (directory / "orders.py").write_text(app)
        (directory / "lading.toml").write_text(MANIFEST + (WITH_WORKER if version == "v1.4.0" else ""))
        commit(directory, version, tag=version)
    git(directory, "checkout", "-q", "--detach", VERSIONS[0])
    return directory
