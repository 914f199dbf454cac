"""What a program is given: its words and its environment variables."""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.manifest import Volume
from lading.model.secret import Secret
from lading.runtime.process.directories import sqlite_files
from lading.runtime.process.launch import Place, command, variables
from tests.specs import instance


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "source").mkdir()
    program = tmp_path / "env" / "bin" / "uvicorn"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return Place(environment_layer=tmp_path / "env", source_layer=tmp_path / "source", data=tmp_path / "data")


def spec(command: str | None = "uvicorn shop.main:app", **changes: Any) -> InstanceSpec:
    return instance("web-1", command=command, **changes)


def test_the_releases_own_programs_come_first(place: Place) -> None:
    """A command's first word is looked up in the release's environment before the system."""
    assert command(spec(), place, port=1, args=("x y",)) == [
        str(place.environment_layer / "bin" / "uvicorn"),
        "shop.main:app",
        "x y",
    ]
    assert os.path.isabs(command(spec("sh -c 'a b'"), place, port=1)[0])


def test_a_program_in_the_source_is_found(place: Place) -> None:
    """A path in a command is taken from the release's source."""
    (place.source_layer / "run.sh").write_text("#!/bin/sh\n")
    (place.source_layer / "run.sh").chmod(0o755)
    assert command(spec("./run.sh now"), place, port=1)[0] == str(place.source_layer / "run.sh")


def test_no_shell_reads_the_command(place: Place) -> None:
    """Quotes group words, and nothing else has a meaning."""
    assert command(spec("uvicorn 'a b' $HOME ; x"), place, port=1)[1:] == ["a b", "$HOME", ";", "x"]


def test_port_and_host_are_filled_in(place: Place) -> None:
    """Both placeholders stand for what the instance got; other braces stay as they are."""
    words = command(spec("uvicorn --port {port} --bind={host}:{port} {other} {}"), place, port=4321)
    assert words[1:] == ["--port", "4321", "--bind=127.0.0.1:4321", "{other}", "{}"]


def test_files_of_the_release_are_told_by_variable(place: Place) -> None:
    """A plain process finds what containers have mounted where it is laid out."""
    place = msgspec.structs.replace(place, files_layer=place.data / "files")
    instance = spec("uvicorn {CONFIG}", files={"config": Volume(env="CONFIG"), "other": Volume(path="/app/other")})
    assert variables(instance, {}, place, port=1, user=None)["CONFIG"] == str(place.data / "files" / "config")
    assert command(instance, place, port=1)[1:] == [str(place.data / "files" / "config")]


def test_places_are_filled_in_and_secrets_are_not(place: Place) -> None:
    """A program without a variable for its directory or file takes it as an argument, where no secret may stand."""
    instance = spec(
        "uvicorn {STORE}/x {URL} {FILE} {TOKEN} {MODE} {OTHER}",
        volumes={"store": Volume(env="STORE")},
        databases={"URL": "sqlite:////srv/x.db", "FILE": "/srv/x.db", "OTHER": "postgres://u:word@h/d"},
        secrets={"TOKEN": ("TOKEN", 1)},
        env={"MODE": "calm"},
    )
    store = place.data / "volumes" / "store"
    assert command(instance, place, port=4321)[1:] == [
        f"{store}/x",
        "sqlite:////srv/x.db",
        "/srv/x.db",
        "{TOKEN}",
        "{MODE}",
        "{OTHER}",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"command": "gunicorn app"}, "'gunicorn'"),
        ({"command": "./missing"}, "'./missing'"),
        ({"command": "uvicorn 'a"}, "cannot be split"),
        ({"command": None}, "has no command"),
        ({"command": "  "}, "has no command"),
        ({"kind": "image"}, "'image'"),
    ],
)
def test_a_command_that_cannot_run_is_refused_with_its_reason(place: Place, changes: dict[str, Any], said: str) -> None:
    """What can be known before a start is said before it, with the next step."""
    with pytest.raises(LadingError) as refused:
        command(spec(**changes), place, port=1)
    assert refused.value.code == "start-failed"
    assert said in refused.value.happened
    assert refused.value.hint


def test_nothing_of_the_agents_environment_gets_through(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program sees search path, language and time zone of the agent, and nothing else of it."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "agents-own")
    monkeypatch.setenv("LADING_HOME", "/srv/lading")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    monkeypatch.delenv("LANG", raising=False)
    found = variables(spec(), {}, place, port=4321, user=None)
    assert found == {
        "TZ": "Europe/Berlin",
        "PATH": found["PATH"],
        "VIRTUAL_ENV": str(place.environment_layer),
        "PYTHONPATH": str(place.source_layer),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "HOME": str(place.data / "home"),
        "TMPDIR": str(place.data / "tmp"),
        "PORT": "4321",
        "HOST": "127.0.0.1",
        "UVICORN_PORT": "4321",
        "UVICORN_HOST": "127.0.0.1",
        "FORWARDED_ALLOW_IPS": "127.0.0.1",
    }


def test_the_agents_own_programs_are_not_on_the_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent's virtual environment never stands in for what a release forgot to bring."""
    monkeypatch.setattr(sys, "prefix", "/srv/agent")
    monkeypatch.setenv("PATH", "/srv/agent/bin:/usr/bin")
    assert variables(spec(), {}, place, port=1, user=None)["PATH"] == f"{place.environment_layer}/bin:/usr/bin"


def test_a_source_folder_is_importable(place: Place) -> None:
    """Projects that keep their package below src/ are found too."""
    (place.source_layer / "src").mkdir()
    found = variables(spec(), {}, place, port=1, user=None)
    assert found["PYTHONPATH"] == f"{place.source_layer}:{place.source_layer / 'src'}"


def test_what_belongs_to_the_environment_is_given_to_the_program(place: Place) -> None:
    """Configuration, databases, volumes and secrets reach the program; its port is the runtime's to say."""
    instance = spec(
        env={"MODE": "calm", "PORT": "8000", "HOST": "0.0.0.0"},
        databases={"DATABASE_URL": "sqlite:////srv/x.db"},
        volumes={"receipts": Volume(path="/srv/receipts", env="RECEIPTS"), "cache": Volume(path="/cache")},
    )
    found = variables(instance, {"TOKEN": Secret("s3cret")}, place, port=4321, user=70_001)
    assert found["MODE"] == "calm"
    assert found["DATABASE_URL"] == "sqlite:////srv/x.db"
    assert found["RECEIPTS"] == str(place.data / "volumes" / "receipts")
    assert found["TOKEN"] == "s3cret"
    assert (found["PORT"], found["HOST"]) == ("4321", "127.0.0.1")
    assert found["USER"] == "lading-70001"


def test_a_worker_gets_no_port(place: Place) -> None:
    """Without a port there is nothing to listen on, and a variable of that name is the program's own."""
    found = variables(spec(port=None, env={"HOST": "mail.example.org"}), {}, place, port=None, user=None)
    assert found["HOST"] == "mail.example.org"
    assert "PORT" not in found


def test_a_database_is_found_by_url_or_by_path() -> None:
    """Whichever way a program learns of its SQLite file, it is one file, and the program's own."""
    told = {"URL": "sqlite+aiosqlite:////srv/x.db?mode=rw", "FILE": "/srv/x.db", "OTHER": "postgres://h/srv/y.db"}
    assert list(sqlite_files(spec(databases=told))) == [Path("/srv/x.db")]


def test_built_files_are_served_by_the_agent_s_own_program(place: Place) -> None:
    """The server gets the directory, and nothing by which files of a release could become code of its own."""
    place = msgspec.structs.replace(place, server=("/agent/python", "-I", "-m", "server"))
    assert command(spec(None), place, port=1) == ["/agent/python", "-I", "-m", "server", str(place.source_layer)]
    told = variables(spec(None), {}, place, port=4321, user=None)
    assert told["PORT"] == "4321"
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & told.keys()
