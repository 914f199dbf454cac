"""The images that all tools deploy, and the proxy of those that bring none."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.till_house import BAD, NEW, OLD, TILL, program

REPOSITORY = "lading-peers/till"
PROXY = "lading-peers/haproxy"

PROXY_FILE = """\
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
CMD ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
"""

# Servers are found by name and asked whether they are ready; what fails is tried again at another one.
PROXY_CONFIG = """\
global
    maxconn 4096
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout check 2s
    retries 3
    option redispatch
    retry-on conn-failure empty-response response-timeout
resolvers engine
    nameserver dns 127.0.0.11:53
    hold valid 500ms
    hold other 1s
    hold nx 1s
    hold refused 1s
    hold timeout 1s
    hold obsolete 1s
    timeout resolve 500ms
    timeout retry 500ms
frontend public
    bind :8080
    default_backend web
backend web
    option httpchk GET /ready
    default-server check inter 500ms fall 1 rise 1 resolvers engine init-addr none
    server-template web 8 web:8000
"""


def image(release: str) -> str:
    """Return the name of a release's image."""
    return f"{REPOSITORY}:{release}"


def build(place: Path) -> None:
    """Build the till's releases; what of them was built before is taken again."""
    for release in (OLD, NEW, BAD):
        folder = place / release
        shutil.copytree(TILL, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "till.py").write_text(program(release), "utf-8")
        _docker("build", "--quiet", "--tag", image(release), str(folder))


def build_proxy(place: Path) -> None:
    """Build the image of the proxy."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "Dockerfile").write_text(PROXY_FILE)
    _docker("build", "--quiet", "--tag", PROXY, str(place))


def configuration(place: Path) -> Path:
    """Write the proxy's configuration and return its place."""
    file = place / "haproxy.cfg"
    file.write_text(PROXY_CONFIG)
    file.chmod(0o644)
    return file


def keep(tar: Path) -> None:
    """Keep all of it in a file, for an engine elsewhere."""
    build_proxy(tar.with_suffix(".proxy"))
    _docker("save", "--output", str(tar), *(image(release) for release in (OLD, NEW, BAD)), PROXY)


def identity(name: str) -> str:
    """Return an image's id."""
    return _docker("image", "inspect", "--format", "{{.Id}}", name)


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(words)}: {done.stdout[-2000:]} {done.stderr[-2000:]}")
    return done.stdout.strip()
