"""A project, two agents in memory that answer on sockets, and the command line run in this process."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lading.cli.main import main
from tests.support_agent import MemoryAgent, ShortDirectory, commit

MANIFEST = """
[project]
name = "shop"

[build.app]
bundle = "requirements.txt"

[services.web]
build = "app"
command = "serve"
port = 8000
health = "/health"
ready = "/ready"

[[smoke]]
name = "status"
get = "/status"

[environments.local]

[environments.stage]
strategy = {{ watch = "1s" }}

[environments.production]
host = "unix://{production}"

[environments.lost]
host = "unix://{lost}"
"""


class Said(NamedTuple):
    """How a command ended: exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def result(self) -> Any:
        """The result object, which is the last line."""
        return self.lines[-1]


Run = Callable[..., Said]


@pytest.fixture
def place() -> Iterator[Path]:
    with ShortDirectory() as directory:
        yield directory


@pytest.fixture
def agent(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryAgent]:
    """One's own agent."""
    monkeypatch.setenv("LADING_HOME", str(place / "home"))
    monkeypatch.delenv("CI", raising=False)
    with MemoryAgent(place / "home", "own").serving() as own:
        yield own


@pytest.fixture
def production(place: Path) -> Iterator[MemoryAgent]:
    """Another agent, which the environment production lives on."""
    with MemoryAgent(place / "production", "prod").serving() as other:
        yield other


@pytest.fixture
def project(place: Path, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A committed project, tagged v1.0.0, as the current directory."""
    directory = place / "shop"
    directory.mkdir()
    text = MANIFEST.format(production=place / "production", lost=place / "lost")
    (directory / "lading.toml").write_text(text)
    (directory / "requirements.txt").write_text("")
    commit(directory, "first", "v1.0.0")
    monkeypatch.chdir(directory)
    return directory


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], agent: MemoryAgent) -> Run:
    """Run a command in this process."""

    def command(*words: str) -> Said:
        capsys.readouterr()
        status = main(words)
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return command
