"""What ``lading dev`` starts, and what it gives to it."""

import os
from pathlib import Path

import pytest

from lading.dev.programs import Given, Program, migrations, services
from lading.model.environment_table import Environment
from lading.model.errors import LadingError
from lading.model.manifest import Build, Database, Manifest, Project, Service, Volume
from lading.model.secret import Secret

MANIFEST = Manifest(
    project=Project(name="shop"),
    build={"app": Build(bundle="requirements.txt", context="backend")},
    services={
        "web": Service(
            build="app",
            command="serve --port {port} --db {DB_FILE}",
            port=8000,
            env={"ROLE": "web", "LEVEL": "info"},
            volumes={"files": Volume(env="FILES")},
        ),
        "worker": Service(build="app", command="work"),
    },
    databases={"main": Database(engine="sqlite", env="DATABASE_URL", env_parts={"DB_FILE": "path"}, migrate="upgrade")},
    env={"LEVEL": "warning"},
)

PLAIN = Environment()


@pytest.fixture
def given(tmp_path: Path) -> Given:
    for name in ("serve", "work", "upgrade"):
        program = tmp_path / ".venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    (tmp_path / "backend" / "src").mkdir(parents=True)
    return Given(
        root=tmp_path,
        virtualenv=tmp_path / ".venv",
        secrets={"JWT_KEY": Secret("canary-5521")},
        databases={"main": "sqlite:////data/main.db"},
        volumes={"files": "/data/files"},
        environ={"PATH": os.defpath, "HOME": "/home/ada", "PYTHONHOME": "/wrong", "LEVEL": "of the terminal"},
    )


def _made(given: Given, table: Environment = PLAIN) -> dict[str, Program]:
    return {program.name: program for program in services(MANIFEST, table, given, {"web": 8001})}


def test_commands_are_those_of_the_manifest(given: Given) -> None:
    """Words, places in them, the directory of the build and the port are as a release has them."""
    web = _made(given)["web"]
    assert web.words == (str(given.virtualenv / "bin" / "serve"), "--port", "8001", "--db", "/data/main.db")
    assert web.directory == given.root / "backend"
    assert _made(given)["worker"].port is None


def test_variables_come_from_most_to_least_special(given: Given) -> None:
    """Environment before service before manifest before the terminal's own; the terminal's others are kept."""
    assert _made(given)["web"].env["LEVEL"] == "info"
    assert _made(given)["worker"].env["LEVEL"] == "warning"
    assert _made(given, Environment(env={"LEVEL": "debug"}))["web"].env["LEVEL"] == "debug"
    assert _made(given)["web"].env["HOME"] == "/home/ada"
    assert "PYTHONHOME" not in _made(given)["web"].env


def test_backing_services_secrets_and_port_are_given_as_variables(given: Given) -> None:
    """What a release gets from its host, a program gets here; a secret is in no command."""
    web = _made(given)["web"]
    assert web.env["DATABASE_URL"] == "sqlite:////data/main.db"
    assert web.env["DB_FILE"] == "/data/main.db"
    assert web.env["FILES"] == "/data/files"
    assert web.env["JWT_KEY"] == "canary-5521"
    assert (web.env["PORT"], web.env["UVICORN_PORT"]) == ("8001", "8001")
    assert web.env["PYTHONPATH"] == f"{given.root / 'backend'}:{given.root / 'backend' / 'src'}"
    assert "canary" not in " ".join(web.words) + repr(web)


def test_migrations_come_as_commands_of_their_own(given: Given) -> None:
    """A database with a migrate command is brought up to date before anything is started."""
    (made,) = migrations(MANIFEST, Environment(), given)
    assert (made.name, made.words) == ("main migrate", (str(given.virtualenv / "bin" / "upgrade"),))
    assert made.env["DATABASE_URL"] == "sqlite:////data/main.db"


def test_all_commands_that_cannot_run_are_told_at_once(given: Given) -> None:
    """With the command that installs what is pinned."""
    for name in ("serve", "work"):
        (given.virtualenv / "bin" / name).unlink()
    with pytest.raises(LadingError) as told:
        _made(given)
    assert [line.split(":")[0] for line in told.value.details] == ["services.web", "services.worker"]
    assert "no program 'serve'" in told.value.details[0]
    assert told.value.hint.endswith("requirements.txt")


@pytest.mark.parametrize(
    ("command", "own"),
    [("uvicorn a:app --reload", True), ("python manage.py runserver", True), ("uvicorn a:app", False)],
)
def test_a_reloader_of_its_own_is_known(given: Given, command: str, own: bool) -> None:
    """A program that looks after changed files itself is left to it."""
    for name in ("uvicorn", "python"):
        (given.virtualenv / "bin" / name).symlink_to("serve")
    manifest = Manifest(
        project=Project(name="shop"), services={"web": Service(build="app", command=command, port=8000)}
    )
    (web,) = services(manifest, Environment(), given, {"web": 8000})
    assert web.own_reload is own
