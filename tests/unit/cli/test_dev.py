"""``lading dev`` before it runs anything: what it refuses, and what it asks of an agent."""

import socket
import sys
from pathlib import Path

import pytest

from tests.support_agent import MemoryAgent
from tests.unit.cli.conftest import Run


@pytest.fixture
def virtualenv(project: Path) -> Path:
    """The project's own virtual environment, with the program of its service."""
    programs = project / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "serve").write_text("#!/bin/sh\nexit 0\n")
    (programs / "serve").chmod(0o755)
    return programs.parent


@pytest.fixture(autouse=True)
def inactive(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def _add(project: Path, text: str) -> None:
    path = project / "lading.toml"
    path.write_text(f"{path.read_text()}\n{text}\n")


def test_without_a_virtual_environment(project: Path, run: Run) -> None:
    """It says where it looked and what makes one."""
    said = run("dev")
    assert said.status == 2
    assert str(project / ".venv") in said.err
    assert "next:    uv venv .venv && uv pip sync" in said.err


@pytest.mark.parametrize("environment", ["stage", "production"])
def test_other_tiers_are_refused(project: Path, run: Run, virtualenv: Path, environment: str) -> None:
    """Nobody works on a stage or production directly."""
    assert run("dev", environment, "--json").result["error"]["code"] == "not-local"


def test_a_missing_secret_is_refused_with_the_file_that_gives_it(project: Path, run: Run, virtualenv: Path) -> None:
    """The agent's store gives no value out, so only the .env or the terminal's environment can."""
    _add(project, '[secrets]\nrequired = ["JWT_KEY"]')
    said = run("dev")
    assert said.status == 3
    assert "local lacks what the manifest requires: JWT_KEY" in said.err
    assert said.err.rstrip().endswith("next:    write JWT_KEY=… into .env")


def test_a_taken_port_is_told(project: Path, run: Run, virtualenv: Path) -> None:
    """Before anything is started."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        said = run("dev", "--port", str(port))
    assert said.status == 4
    assert f"port {port} is taken by process" in said.err


def test_a_program_that_is_not_installed_is_told(project: Path, run: Run, virtualenv: Path) -> None:
    """With the command that installs what is pinned."""
    (virtualenv / "bin" / "serve").unlink()
    said = run("dev", "--port", "18931")
    assert said.status == 4
    assert "no program 'serve'" in said.err
    assert "uv pip sync" in said.err


def test_only_what_is_backed_needs_an_agent(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project without databases and volumes is worked on without one; else its agent says where they are."""
    import lading.dev.session

    started: list[object] = []

    def interrupted(_session: object, prepared: object) -> None:
        started.append(prepared)
        raise KeyboardInterrupt

    monkeypatch.setattr(lading.dev.session.Session, "run", interrupted)
    assert run("--agent", f"unix://{project}/nobody", "dev", "--port", "18932").status == 0
    _add(project, '[databases.main]\nengine = "sqlite"\nenv = "DATABASE_URL"')
    assert run("--agent", f"unix://{project}/nobody", "dev", "--port", "18932").status == 7
    assert run("dev", "--port", "18932").status == 0
    (program,) = started[-1].programs  # type: ignore[attr-defined]
    assert program.env["DATABASE_URL"] == agent.world.databases.provide("shop", "local", "main", _sqlite())


def _sqlite() -> object:
    from lading.model.manifest import Database

    return Database(engine="sqlite", env="DATABASE_URL")


def test_an_agent_backs_only_what_it_holds_as_local(project: Path, run: Run, virtualenv: Path) -> None:
    """An environment that this host holds as a stage is not opened because a manifest calls it local."""
    assert run("deploy", "stage").status == 0
    path = project / "lading.toml"
    path.write_text(path.read_text().replace("[environments.stage]", '[environments.stage]\ntier = "local"'))
    _add(project, '[databases.main]\nengine = "sqlite"\nenv = "DATABASE_URL"')
    said = run("dev", "stage", "--port", "18933")
    assert said.status == 3
    assert "stage is of tier stage" in said.err
