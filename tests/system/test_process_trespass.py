"""What an environment's own user may do in its directories never makes root act elsewhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.model.manifest import Volume
from lading.ports.runtime import Run, RunResult
from tests.processes import Processes, processes

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user"),
]


@pytest.fixture
def world() -> Iterator[Processes]:
    with processes() as world:
        yield world


@pytest.fixture
def data(world: Processes) -> Path:
    """The environment's directory, after a first run in it."""
    assert as_program(world, "true", name="first").exit_status == 0
    return world.home / "runtime" / "environments" / "shop" / "stage"


@pytest.fixture
def elsewhere(world: Processes) -> Path:
    """A directory of root's with a directory and a file in it."""
    place = world.home / "elsewhere"
    (place / "media").mkdir(parents=True, mode=0o755)
    (place / "media" / "main.db").write_text("root's")
    (place / "media" / "main.db").chmod(0o600)
    return place


def as_program(world: Processes, script: str, *, name: str = "run", **changes: object) -> RunResult:
    """Run a shell script as a program of the environment."""
    (world.home / "layers" / "source" / f"{name}.sh").write_text(script)
    spec = world.spec(name, port=None, command=f"sh {name}.sh", **changes)
    return world.runtime.run(Run(name=name, spec=spec), {})


def owners(place: Path) -> set[int]:
    """Return the owners of everything at a place."""
    return {path.lstat().st_uid for path in (place, *place.rglob("*"))}


def test_what_root_walks_through_belongs_to_root(world: Processes, data: Path) -> None:
    """The environment's user owns its home, volumes and databases, but no directory that holds those."""
    volumes = {"media": Volume(env="MEDIA")}
    database = data / "databases" / "main" / "main.db"
    as_program(world, "echo 1 > $MEDIA/x", volumes=volumes, databases={"DB": f"sqlite:///{database}"})
    for directory in (data, data / "volumes", data / "databases", data / "outputs"):
        assert (directory.stat().st_uid, directory.stat().st_mode & 0o777) == (0, 0o711), directory
    for directory in (data / "home", data / "tmp", data / "volumes" / "media", database.parent):
        assert directory.stat().st_uid != 0, directory
        assert directory.stat().st_mode & 0o777 == 0o700, directory
    assert (data / "volumes" / "media" / "x").stat().st_uid != 0


@pytest.mark.parametrize("name", ["volumes", "outputs", "databases", "home", "tmp"])
def test_a_link_in_place_of_a_directory_leads_root_nowhere(
    world: Processes, data: Path, elsewhere: Path, name: str
) -> None:
    """Whatever a program puts in place of its environment's directories, root gives nothing of others away."""
    before = sorted(elsewhere.rglob("*"))
    script = f"cd $HOME/..; mv {name} away || rm -rf {name}; ln -s {elsewhere} {name}; true"
    database = f"sqlite:///{data / 'databases' / 'media' / 'main.db'}"
    everything = {"volumes": {"media": Volume(env="MEDIA")}, "databases": {"DB": database}}
    as_program(world, script, **everything)
    told = as_program(world, "id -u", name="after", **everything)
    assert owners(elsewhere) == {0}
    assert sorted(elsewhere.rglob("*")) == before
    assert told.output.strip() != "0"


def test_a_database_that_is_a_link_does_not_make_its_program_root(
    world: Processes, data: Path, elsewhere: Path
) -> None:
    """Which user a program runs as is not for the program to say."""
    database = data / "databases" / "main" / "main.db"
    databases = {"DB": f"sqlite:///{database}"}
    as_program(
        world, f"ln -s {elsewhere}/media/main.db {database}; ln -s {elsewhere} {database}-wal", databases=databases
    )
    told = as_program(world, "id -u", name="after", databases=databases)
    assert told.output.strip() not in ("0", "")
    assert owners(elsewhere) == {0}


def test_a_second_name_of_a_file_is_not_given_away(world: Processes, data: Path, elsewhere: Path) -> None:
    """Where the kernel lets users link to files of others, giving a database to its user gives no such file."""
    database = data / "databases" / "main" / "main.db"
    databases = {"DB": f"sqlite:///{database}"}
    as_program(world, "true", databases=databases)
    os.link(elsewhere / "media" / "main.db", database)
    as_program(world, "true", name="after", databases=databases)
    assert owners(elsewhere) == {0}


def test_an_earlier_layout_is_taken_back(world: Processes, data: Path) -> None:
    """Directories that belonged to the user become root's again, and what lies in them stays the user's."""
    number = (data / "home").stat().st_uid
    (data / "volumes" / "media").mkdir(parents=True)
    for path in (data, data / "volumes", data / "volumes" / "media"):
        os.chown(path, number, number)
        path.chmod(0o700)
    assert as_program(world, "echo 1 > $MEDIA/x", name="after", volumes={"media": Volume(env="MEDIA")}).exit_status == 0
    assert data.stat().st_uid == (data / "volumes").stat().st_uid == 0
    assert (data / "volumes" / "media").stat().st_uid == number


def test_no_variable_makes_root_run_a_manifests_code(world: Processes) -> None:
    """What a shell would carry out on its own reaches the program only, after the change of user."""
    env = {"SHELLOPTS": "xtrace", "PS4": "$(id -u)", "BASH_ENV": "/nowhere", "LD_PRELOAD": "/nowhere.so"}
    state = world.runtime.start(world.spec("web-1", env=env), {})
    world.up("web-1")
    keeper = Path(f"/proc/{state.pid}/stat").read_text().rpartition(")")[2].split()[1]
    seen = Path(f"/proc/{keeper}/environ").read_bytes()
    assert not [name for name in env if f"{name}=".encode() in seen]
    assert b"SHELLOPTS=xtrace" in Path(f"/proc/{state.pid}/environ").read_bytes()
