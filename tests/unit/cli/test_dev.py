"""``lading dev`` before it runs anything: what it refuses, and what it asks of an agent."""

import socket
import sys
from pathlib import Path

import pytest

from lading.dev.session import Prepared
from lading.model.rollout import Rollout
from tests.support import until
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


def _set(project: Path, line: str) -> None:
    """Write a line into the table of the local environment."""
    path = project / "lading.toml"
    path.write_text(path.read_text().replace("[environments.local]", f"[environments.local]\n{line}"))


BACKED = """
[env]
CACHE_URL = "redis://cache:6379/0"

[databases.main]
engine    = "postgres"
env       = "DATABASE_URL"
env_parts = { DB_HOST = "host" }
migrate   = "serve migrate"

[services.cache]
image = "redis:7"
check = "ping"
"""


def _as_image(project: Path) -> None:
    path = project / "lading.toml"
    text = path.read_text().replace('bundle = "requirements.txt"', 'dockerfile = "Dockerfile"')
    path.write_text(f"{text}\n{BACKED}\n")


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Prepared]:
    """What would have been run; each session is interrupted at once."""
    import lading.dev.session

    found: list[Prepared] = []

    def interrupted(_session: object, prepared: Prepared) -> None:
        found.append(prepared)
        raise KeyboardInterrupt

    monkeypatch.setattr(lading.dev.session.Session, "run", interrupted)
    return found


def _password(agent: MemoryAgent) -> str:
    return agent.world.secrets.get("shop/local", "database main", 1).reveal()


def test_servers_are_brought_up_and_told(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent, prepared: list[Prepared]
) -> None:
    """Programs and migrations are given addresses and passwords; nothing of that is printed, written or in words."""
    _as_image(project)
    said = run("dev", "--port", "18934")
    assert said.status == 0, said
    assert "database         main  postgres:17 answers" in said.out
    assert "backing          cache  redis:7 is up" in said.out
    assert "main and cache of local run on; lading down ends them, their data stays" in said.out
    main, cache = (agent.world.runtime.look(f"shop.local.{name}") for name in ("main", "cache"))
    assert main is not None
    assert cache is not None
    assert f"with main at {main.host}, cache at {cache.host}" in said.out
    (first,), (program,) = prepared[0]
    for one in (first, program):
        assert one.env["DATABASE_URL"] == f"postgresql://shop:{_password(agent)}@{main.host}:5432/shop"
        assert (one.env["DB_HOST"], one.env["CACHE_URL"]) == (main.host, f"redis://{cache.host}:6379/0")
        assert _password(agent) not in " ".join(one.words)
    assert _password(agent) not in said.out + said.err + repr(prepared)
    assert list((agent.home / "spool").iterdir()) == []

    # A second time there is nothing to wait for.
    again = run("dev", "--port", "18934", "--json")
    assert (again.status, len(agent.world.journal.rollouts("shop", "local"))) == (0, 1)
    assert _password(agent) not in again.out


def test_a_command_that_is_none_is_told_before_anything_is_started(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent
) -> None:
    """Nobody waits for a server to hear of a misspelt word."""
    _as_image(project)
    (virtualenv / "bin" / "serve").unlink()
    said = run("dev", "--port", "18935")
    assert said.status == 4
    assert "no program 'serve'" in said.err
    assert agent.world.journal.rollouts("shop", "local") == []


def test_without_an_engine_it_says_what_is_missing(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent
) -> None:
    """What would run in one, what is still true, and what installs one."""
    _as_image(project)
    agent.world.runtime.lacking.add("image")  # type: ignore[attr-defined]
    said = run("dev", "--port", "18936")
    assert said.status == 3
    assert said.err.splitlines() == [
        "refused: main, cache of local would run in containers, and none can run here: nothing here runs a image",
        "  nothing was started",
        "  next:    apt-get install docker.io",
    ]


def test_one_that_does_not_work_ends_the_command(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent, prepared: list[Prepared]
) -> None:
    """With what it said, and where to read on; no program is started."""
    from lading.ports.runtime import RunResult

    _as_image(project)
    failing = RunResult(exit_status=1, output="no answer", outputs="", seconds=0.1)
    agent.world.runtime.script_run("ping", failing)  # type: ignore[attr-defined]
    said = run("dev", "--port", "18937")
    assert (said.status, prepared) == (4, [])
    assert "start of cache: its check exit status 1: no answer, after 60 s" in said.err
    assert "local serves nothing yet; no program was started; main of local runs on; lading down ends it" in said.err
    assert "next:    lading logs local cache --rollout 1" in said.err


def test_ctrl_c_while_they_come_up_takes_it_back(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is left half begun."""
    import lading.cli.rollouts
    from lading.ports.runtime import RunResult

    def rollout() -> Rollout:
        (found,) = agent.world.journal.rollouts("shop", "local")
        return found

    def check(_run: object) -> RunResult:
        until(lambda: rollout().cancel)
        return RunResult(exit_status=1, output="loading", outputs="", seconds=0.1)

    def interrupted(*_given: object) -> None:
        raise KeyboardInterrupt

    _as_image(project)
    agent.world.runtime.script_run("ping", check)  # type: ignore[attr-defined]
    monkeypatch.setattr(lading.cli.rollouts, "told", interrupted)
    said = run("dev", "--port", "18938")
    assert said.status == 130
    assert "interrupted: what is being started is taken back" in said.err
    assert "no program was started; main of local runs on; lading down ends it, its data stays" in said.err
    assert rollout().outcome == "cancelled"


def test_a_database_of_somebody_else_is_told_by_its_secret(
    project: Path, run: Run, virtualenv: Path, agent: MemoryAgent, prepared: list[Prepared]
) -> None:
    """Its URL comes from the ``.env``; nothing is started for it, and no agent is needed."""
    _add(
        project,
        '[databases.main]\nengine = "postgres"\nenv = "DATABASE_URL"\nurl_scheme = "postgresql+psycopg"\n'
        '[secrets]\noptional = ["MAIN_URL"]',
    )
    _set(project, 'databases = { main = { url = "MAIN_URL" } }')
    nobody = ("--agent", f"unix://{project}/nobody", "dev", "--port", "18939")
    said = run(*nobody)
    assert said.status == 3
    assert "local has its database main at MAIN_URL: it is missing" in said.err
    (project / ".env").write_text("MAIN_URL=postgresql://ada:pass-4711@db.example.org/books\n")
    said = run(*nobody)
    assert said.status == 0, said
    (program,) = prepared[0].programs
    assert program.env["DATABASE_URL"] == "postgresql+psycopg://ada:pass-4711@db.example.org/books"
    assert "pass-4711" not in said.out + said.err


def test_what_is_on_another_machine_is_not_worked_with(
    project: Path, run: Run, virtualenv: Path, prepared: list[Prepared]
) -> None:
    """Neither files nor containers there can be reached by programs here."""
    _as_image(project)
    _set(project, 'host = "ssh://ada@example.org"')
    said = run("dev", "--port", "18940")
    assert said.status == 2
    assert "local is on example.org" in said.err
    assert prepared == []
