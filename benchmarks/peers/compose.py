"""Compose as most people use it: the new image is named, and ``up`` makes the container anew."""

import os
import subprocess
from abc import abstractmethod
from pathlib import Path

from benchmarks.house import free_ports
from benchmarks.peers.images import image
from benchmarks.peers.trial import Tool
from benchmarks.till_house import OLD

SERVICE = """\
  web:
    image: ${{TILL}}
    init: true
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: [/tmp]
    stop_grace_period: 15s
    environment:
      DATABASE_URL: sqlite:////data/main.db
      HOME: /tmp
      UVICORN_HOST: 0.0.0.0
      UVICORN_PORT: "8000"
    volumes: ["{data}:/data"]
"""


def why_no_compose() -> str:
    """Say that compose is not here, with where it can be had."""
    done = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "docker compose is not installed (scripts/compose_plugin.sh)"


class Composed(Tool):
    """A project of compose; ``definition`` gives its file."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.project = f"lading-peer-{type(self).__name__.lower()}"
        self.port = free_ports(1)
        self.base = f"http://127.0.0.1:{self.port}"

    @classmethod
    def missing(cls) -> str:
        return why_no_compose()

    @abstractmethod
    def definition(self) -> str:
        """Return the compose file."""

    def __enter__(self) -> "Composed":
        data = self.place / "data"
        data.mkdir(mode=0o777)
        data.chmod(0o777)
        (self.place / "compose.yml").write_text(self.definition())
        try:
            self.compose("up", "--detach", release=OLD)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.compose("down", "--volumes", "--remove-orphans", "--timeout", "1")

    def environ(self, release: str) -> dict[str, str]:
        return {"TILL": image(release), "COMPOSE_PROJECT_NAME": self.project}

    def compose(self, *words: str, release: str = OLD) -> str:
        """Run a command of compose and return what it printed."""
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=self.place,
            env={**os.environ, **self.environ(release)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"docker compose {' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout

    def labels(self) -> list[str]:
        return [f"com.docker.compose.project={self.project}", "com.docker.compose.service=web"]


class Recreate(Composed):
    """``docker compose up --detach`` with the next image."""

    title = "compose, recreate"

    def definition(self) -> str:
        ports = f'    ports: ["127.0.0.1:{self.port}:8000"]\n'
        return "services:\n" + SERVICE.format(data=self.place / "data") + ports

    def deploying(self, release: str) -> list[str]:  # noqa: ARG002
        return ["docker", "compose", "up", "--detach"]
