"""Stacks of small programs, and the plugin that such tests need."""

import itertools
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lading.runtime.docker.stacks import DockerStacks
from lading.runtime.docker.stacks.plugin import NAME, PLACES
from tests.containers import Containers, containers, with_engine

# Each service answers on 3000 with its variable and its settings.
PROGRAM = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{os.environ['SALT']}, {open('/settings/level').read()}".encode())
http.server.HTTPServer(("", 3000), Handler).serve_forever()
"""
SERVICE = """
  {name}:
    image: python:3.11-slim
    command: ["python", "/settings/program.py"]
    environment: {{ SALT: "${{SALT}}" }}
    ports: ["{port}:3000"]
    volumes: ["{name}:/data", "./settings:/settings:ro"]
    stop_grace_period: 0s
"""


def _plugin() -> str:
    """Return the directory that the plugin is in, empty where there is none."""
    own = os.environ.get("LADING_ENGINE", "")
    places = [f"{own}/plugins"] if own else []
    for place in [*places, *PLACES, os.path.dirname(shutil.which(NAME) or "")]:
        if os.access(os.path.join(place, NAME), os.X_OK):
            return place
    return ""


def with_compose(test: Any) -> Any:
    """Mark a test or class of tests as one that needs an engine with its compose plugin, and root."""
    found = _plugin()
    # Where CI promises an engine, the plugin comes with it.
    if os.environ.get("LADING_TESTS_NEED_ENGINE"):
        assert found, "no compose plugin: scripts/compose_plugin.sh $LADING_ENGINE/plugins"
    why = "" if found else "no compose plugin (scripts/compose_plugin.sh)"
    why = why or ("" if os.geteuid() == 0 else "only root reads a compose file as somebody else")
    return with_engine(pytest.mark.skipif(bool(why), reason=why)(test))


class StackBench:
    """A docker runtime's stacks, and sources for them."""

    def __init__(self, world: Containers) -> None:
        self.world = world
        self.stacks: DockerStacks = world.runtime.stacks(world.home / "stacks", world.home / "users.json")
        self._numbers = itertools.count()

    def source(self, *services: str, broken: str = "", more: str = "") -> Path:
        """Return the tar of a compose file with these services; ``more`` stands among them."""
        texts = [SERVICE.format(name=name, port=39000 + number) for number, name in enumerate(services)]
        texts += [f"\n  {broken}:\n    command: sleep 1\n" if broken else "", more]
        volumes = "".join(f"\n  {name}: {{}}" for name in services)
        directory = self.world.home / "sources" / str(next(self._numbers))
        (directory / "settings").mkdir(parents=True)
        (directory / "settings" / "level").write_text("info")
        (directory / "settings" / "program.py").write_text(PROGRAM)
        (directory / "compose.yml").write_text(f"services:{''.join(texts)}\nvolumes:{volumes}\n")
        return pack(directory)

    def end(self) -> None:
        """Remove the stacks' volumes."""
        for volume in self.world.engine.get("/volumes", filters=self.world.runtime._names.filters())["Volumes"] or ():
            self.world.engine.delete(f"/volumes/{volume['Name']}")


def pack(directory: Path) -> Path:
    """Return the tar of a directory, beside it."""
    path = directory.with_suffix(".tar")
    with tarfile.open(path, "w") as tar:
        tar.add(directory, ".")
    return path


@contextmanager
def side_stacks() -> Iterator[StackBench]:
    """Give stacks, and leave nothing of them behind."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{_plugin()}:{before}"
    try:
        with containers() as world:
            bench = StackBench(world)
            try:
                yield bench
            finally:
                world.end()
                bench.end()
    finally:
        os.environ["PATH"] = before
