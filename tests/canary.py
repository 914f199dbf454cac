"""A project that tells its secrets to everybody, and the search for them."""

import base64
import html
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

from tests.projects import NAME, REQUIREMENTS
from tests.support_agent import commit, git

TOKEN = 'c4nary/4711+"<tweet>&: fly'
KEY = "-----BEGIN CANARY KEY-----\nMIIEc4naryBADANBgkq/+q\nhkiGc4nary9w0BAQEFAASC\n-----END CANARY KEY-----\n"
URL = "postgres://shop:c4nary%2Fpassw0rd@db.example.org/shop"
SESSION = "c4nary-session-2f8a"  # what a login gives: known to nobody but the suite that asked for it
SECRETS = {"TOKEN": TOKEN, "KEY": KEY, "URL": URL}

APP = """
import base64, html, json, os, sys
from urllib.parse import quote, quote_plus, unquote, urlsplit

RELEASE = "v2.0.0"
FAULT = ""
SESSION = "-".join(["c4nary", "session", "2f8a"])

def spelled(value):
    data = value.encode()
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value), json.dumps(value), repr(value))
    yield from (html.escape(value), data.hex(), base64.b64encode(data).decode())
    yield base64.b64encode(b"somebody:" + data).decode()

EVERYTHING = [line for name in ("TOKEN", "KEY", "URL") for line in spelled(os.environ[name])]
EVERYTHING += [unquote(urlsplit(os.environ["URL"]).password)]

def tell():
    for line in EVERYTHING:
        print(line, flush=True)
    print("session", SESSION, flush=True)
    print("to stderr", *EVERYTHING, file=sys.stderr, flush=True)

tell()
if FAULT == "dies":
    raise RuntimeError("cannot connect with " + os.environ["TOKEN"] + " to " + os.environ["URL"])

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan here")
    path, code = scope["path"], 200
    body = {"all": EVERYTHING, "session": SESSION, "status": "ok"}
    if path == "/ready":
        code = 503 if FAULT == "never ready" else 200
    elif path == "/status":
        tell()
        code = 500 if FAULT == "smoke" else 200
    elif path == "/" and FAULT == "watch":
        code = 500
    text = json.dumps(body).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    head += [(b"x-token", quote(os.environ["TOKEN"]).encode()), (b"x-session", SESSION.encode())]
    if path == "/moved":
        code, head = 302, [*head, (b"location", b"/x?token=" + quote(os.environ["TOKEN"], safe="").encode())]
    await send({"type": "http.response.start", "status": code, "headers": head})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else text})
"""

SHOW = """
import os, sys
for name in ("TOKEN", "KEY", "URL", "session"):
    print(name, os.environ.get(name))
sys.exit(int(os.environ.get("SHOW_EXIT", "0")))
"""

MANIFEST = f"""
[project]
name = "{NAME}"

[build.app]
bundle = "requirements.txt"

[services.web]
command = "uvicorn teller:app --lifespan off"
port    = 8000
ready   = {{ path = "/ready", within = "1s" }}
grace   = "2s"

[[smoke]]
name    = "login"
post    = "/login"
json    = {{ token = "{{{{TOKEN}}}}", key = "{{{{KEY}}}}" }}
auth    = {{ bearer = "TOKEN" }}
capture = {{ session = "session" }}
expect  = {{ status = 200 }}

[[smoke]]
name    = "status"
get     = "/status?token={{{{TOKEN}}}}&session={{{{session}}}}"
headers = {{ "x-session" = "{{{{session}}}}" }}
expect  = {{ status = 200, json = {{ status = "ok" }} }}

[[smoke]]
name    = "show"
command = "python show.py"

[secrets]
required = ["TOKEN", "KEY", "URL"]

[environments.local]
strategy = {{ watch = "300ms" }}

[environments.stage]
strategy = {{ watch = "300ms" }}

[environments.production]
strategy = {{ watch = "300ms" }}
requires = {{ passed = "stage" }}
"""

# What is wrong with each release, and how its suite differs.
FAULTS = {"v2.1.0": "never ready", "v2.2.0": "dies", "v2.3.0": "smoke", "v2.4.0": "show", "v2.5.0": "text"}
SUITES = {
    "v2.4.0": ('command = "python show.py"', 'command = "python show.py"\nexpect = { exit = 7 }'),
    "v2.5.0": ('json = { status = "ok" } }', 'json = { session = "another" }, headers = { x-token = "another" } }'),
}
VERSIONS = ("v2.0.0", *FAULTS)


def make_teller(directory: Path) -> None:
    """Make the project's versions on top of whatever a repository holds; leave the first one checked out."""
    for old in directory.glob("*.py"):
        old.unlink()
    (directory / "requirements.txt").write_text(REQUIREMENTS)
    (directory / "show.py").write_text(SHOW)
    for version in VERSIONS:
        app = APP.replace("v2.0.0", version).replace('FAULT = ""', f'FAULT = "{FAULTS.get(version, "")}"')
        (directory / "teller.py").write_text(app)
        (directory / "lading.toml").write_text(MANIFEST.replace(*SUITES.get(version, ("", ""))))
        commit(directory, version, tag=version)
    git(directory, "checkout", "-q", "--detach", VERSIONS[0])


def needles() -> dict[str, bytes]:
    """Return what nobody may see, by what it is: each value, its lines and its password, as programs spell them."""
    plain = {
        "token": TOKEN,
        "session": SESSION,
        "url": URL,
        "password": "c4nary/passw0rd",
        "coded": "c4nary%2Fpassw0rd",
    }
    plain |= {f"line {number} of the key": line for number, line in enumerate(KEY.splitlines())}
    found = {}
    for what, value in plain.items():
        for how, form in _forms(value).items():
            found[f"{what}, {how}"] = form.encode()
    return found


def _forms(value: str) -> Mapping[str, str]:
    data = value.encode()
    alone = base64.b64encode(data).decode().rstrip("=")
    within = base64.b64encode(b"somebody:" + data).decode().rstrip("=")
    return {
        "as it is": value,
        "in a URL": quote(value, safe=""),
        "in a form": quote_plus(value),
        "in JSON": json.dumps(value)[1:-1],
        "in JSON within JSON": json.dumps(json.dumps(value)[1:-1])[1:-1],
        "in HTML": html.escape(value),
        "in hex": data.hex(),
        "in base64": alone[: len(alone) // 4 * 4],
        "in credentials": within[len("somebody:") * 4 // 3 :][: len(value) // 3 * 4],
    }


def seen_in(data: bytes, *, but: str = " ") -> list[str]:
    """Return which needles some bytes hold, leaving out those whose names begin with ``but``."""
    return [what for what, needle in needles().items() if needle in data and not what.startswith(but)]


def files_below(home: Path) -> Iterator[Path]:
    """Yield every file of a home that must hold no secret: neither their store nor what programs wrote themselves."""
    own = (home / "secrets", home / "environments", home / "process" / "logs", home / "process" / "runs")
    for directory, _, names in os.walk(home):
        for path in (Path(directory, name) for name in names):
            written = path.is_relative_to(home / "process" / "runs") and path.name != "log"
            if path.is_file() and (written or not any(path.is_relative_to(place) for place in own)):
                yield path


class Arguments:
    """Looks at the arguments of every process of the machine while a block runs."""

    def __init__(self) -> None:
        self.looks = 0
        self.found: dict[str, list[str]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Arguments":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        wanted = list(needles().values())
        while not self._ended.wait(0.01):
            self.looks += 1
            for pid in os.listdir("/proc"):
                words = _words(pid) if pid.isdigit() else b""
                if any(needle in words for needle in wanted):
                    self.found[words.decode(errors="replace")] = seen_in(words)


def _words(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""
