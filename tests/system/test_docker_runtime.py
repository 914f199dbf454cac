"""Real containers: found again, never doubled, hardened, closed-mouthed, and gone when they should be."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from lading.model.errors import LadingError
from lading.model.manifest import Volume
from lading.model.secret import Secret
from lading.model.value import Resources
from lading.ports.runtime import Run
from lading.runtime.process.users import Users
from tests.containers import Containers, containers, image_id, with_engine
from tests.support import until

pytestmark = pytest.mark.system
ROOT = """
FROM python:3.11-slim
COPY app.py /srv/app.py
WORKDIR /srv
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


@pytest.fixture
def world() -> Iterator[Containers]:
    with containers() as world:
        yield world


@with_engine
@as_root
def test_volumes_belong_to_the_image_s_user_and_are_shared_with_the_environment(world: Containers) -> None:
    """A volume and a database can be written to by the image's user, and by what a bundle of the environment ran as."""
    data = world.home / "environments" / "shop" / "stage"
    database = data / "databases" / "main" / "main.db"
    database.parent.mkdir(parents=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
    spec = world.spec("web-1", volumes={"files": Volume(path="/srv/files")}, databases={"URL": f"sqlite:///{database}"})
    world.runtime.start(spec, {})
    world.up("web-1")
    assert world.exec("web-1", "sh", "-c", "echo hello > /srv/files/a && cat /srv/files/a").strip() == "hello"
    script = (
        "import sqlite3,os;c=sqlite3.connect(os.environ['URL'][10:]);c.execute('INSERT INTO t VALUES (1)');c.commit()"
    )
    assert world.exec("web-1", "python", "-c", script).strip() == ""
    group = Users(world.home / "users.json").number("shop/stage")
    for path in (data / "volumes" / "files", database.parent, database):
        facts = path.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o060) == (10001, group, 0o060), path


@with_engine
def test_nothing_is_root_and_nothing_can_be_written(world: Containers) -> None:
    """An image that says nothing of its user runs as the environment's number, on a file system it cannot change."""
    world.use(image_id(ROOT))
    world.runtime.start(world.spec("web-1"), {})
    world.up("web-1")
    assert world.exec("web-1", "id", "-u").strip() != "0"
    assert "ead-only" in world.exec("web-1", "sh", "-c", "echo x > /srv/x")
    assert world.exec("web-1", "sh", "-c", "echo x > /tmp/x && cat /tmp/x").strip() == "x"
    assert "CapEff:\t0000000000000000" in world.exec("web-1", "cat", "/proc/1/status")
    assert "NoNewPrivs:\t1" in world.exec("web-1", "cat", "/proc/1/status")


@with_engine
def test_a_service_finds_those_of_its_own_release_alone(world: Containers) -> None:
    """A candidate's name is not answered for what the serving release asks, and the other way round."""
    for rollout in (1, 2):
        for service in ("api", "db"):
            world.runtime.start(
                world.spec(f"{service}-{rollout}", service=service, rollout=rollout, aliases=("x",)), {}
            )
    for rollout in (1, 2):
        seen = world.exec(f"api-{rollout}", "python", "-c", "import socket; print(socket.gethostbyname_ex('db')[2])")
        assert seen.strip() == f"['{world.address(f'db-{rollout}')[0]}']"


@with_engine
def test_environments_do_not_reach_each_other(world: Containers) -> None:
    """Each environment has a network and a subnet of its own, and no way from one into the other."""
    world.runtime.start(world.spec("a"), {})
    world.runtime.start(world.spec("b", environment="other"), {})
    world.up("b")
    host, port = world.address("b")
    assert host.rpartition(".")[0] != world.address("a")[0].rpartition(".")[0]
    script = f"import socket; socket.create_connection(('{host}', {port}), 1.5)"
    assert "rror" in world.exec("a", "python", "-c", script)


@with_engine
def test_an_address_comes_back_as_late_as_possible(world: Containers) -> None:
    """What was given back is not given to the next, so that a route that lingers leads nowhere."""
    world.runtime.start(world.spec("keeper"), {})
    first = world.runtime.start(world.spec("a"), {}).address
    world.runtime.remove("a")
    assert world.runtime.start(world.spec("b"), {}).address != first


@with_engine
def test_a_program_that_runs_out_of_memory_is_told_so(world: Containers) -> None:
    """The limit holds, and the end is told apart from any other kill."""
    spec = world.spec(
        "eater", port=None, command=f"python app.py eat {512 << 20}", resources=Resources(memory=64 << 20)
    )
    world.runtime.start(spec, {})
    until(lambda: not (world.runtime.look("eater") or pytest.fail("gone")).running, within=20.0)
    state = world.runtime.look("eater")
    assert state is not None
    assert (state.exit_status, state.ended) == (-9, "was killed for want of memory: its limit is 67 MB")
    again = world.runtime.start(spec, {})
    # Who looks after it was started again must still learn why it had to be.
    assert (again.running, again.ended) == (True, state.ended)


@with_engine
def test_a_job_leaves_its_files(world: Containers) -> None:
    """A run writes into a directory of its own, which is there afterwards; nothing else of it is."""
    words = "sh -c 'echo made > $LADING_OUTPUTS/summary.txt'"
    result = world.runtime.run(Run(name="report", spec=world.spec("report", port=None, command=words)), {})
    assert result.exit_status == 0, result
    assert (Path(result.outputs) / "summary.txt").read_text() == "made\n"
    assert world.engine.get("/containers/json", all=True, filters=world.runtime._names.filters()) == []


@with_engine
def test_a_container_that_cannot_start_is_explained_and_not_left(world: Containers) -> None:
    """The engine's reason without secrets, what to do, and no trace of the attempt."""
    with pytest.raises(LadingError) as refused:
        world.runtime.start(world.spec("web-1", user="sesame"), {"T": Secret("sesame")})
    assert refused.value.code == "start-failed"
    assert "unable to find user" in str(refused.value)
    assert "sesame" not in str(refused.value)
    assert "services.web.user" in refused.value.hint
    assert world.runtime.list() == ()


@with_engine
def test_a_start_that_died_half_way_is_begun_anew(world: Containers) -> None:
    """A container that was made and never started counts as no restart, and is made anew."""
    world.runtime.start(world.spec("web-1"), {})
    container = world.runtime._names.container("instance", "web-1")
    labels = world.engine.get(f"/containers/{container}/json")["Config"]["Labels"]
    world.engine.delete(f"/containers/{container}", force=True)
    world.engine.post("/containers/create", {"Image": image_id(), "Labels": labels}, name=container)
    half = world.runtime.look("web-1")
    assert half is not None
    assert (half.running, half.exit_status) == (False, None)
    again = world.runtime.start(world.spec("web-1"), {})
    assert (again.running, again.restarts) == (True, 0)


@with_engine
def test_networks_go_with_their_last_instance(world: Containers) -> None:
    """An environment that runs nothing keeps no network."""
    world.runtime.start(world.spec("a"), {})
    world.runtime.start(world.spec("b"), {})
    own = {"label": [f"dev.lading.agent={world.runtime._names.agent}"]}
    world.runtime.remove("a")
    assert len(world.engine.get("/networks", filters=own)) == 1
    world.runtime.remove("b")
    assert world.engine.get("/networks", filters=own) == []


@with_engine
def test_an_instance_whose_network_was_removed_lives_on_in_a_new_one(world: Containers) -> None:
    """It counts as down and says why; starting it puts the same program back on its address, names and all."""
    for service in ("api", "db"):
        world.runtime.start(world.spec(service, service=service), {})
    before = world.runtime.look("api")
    assert before is not None
    world.remove_networks()
    cut = world.runtime.look("api")
    assert cut is not None
    assert (cut.running, cut.exit_status, cut.ended) == (False, None, "runs, but its network was removed")
    for service in ("api", "db"):
        world.runtime.start(world.spec(service, service=service), {})
    after = world.runtime.look("api")
    assert after is not None
    assert (after.running, after.pid, after.address) == (True, before.pid, before.address)
    world.up("api")
    seen = world.exec("api", "python", "-c", "import socket; print(socket.gethostbyname_ex('db')[2])")
    assert seen.strip() == f"['{world.address('db')[0]}']"


@with_engine
def test_images_are_pruned_but_for_those_that_are_kept_or_used(world: Containers) -> None:
    """Only this agent's own tags go; what is named, or runs, stays."""
    world.runtime.start(world.spec("a"), {})
    assert world.runtime.prune({world.image}) == 0
    world.runtime.prune(())
    assert (world.runtime.look("a") or pytest.fail("gone")).running
    world.runtime.remove("a")
    world.runtime.prune(())
    with pytest.raises(LadingError) as gone:
        world.runtime.start(world.spec("a"), {})
    assert "is not in the engine" in gone.value.happened
    assert world.engine.get(f"/images/{image_id()}/json")["Id"] == image_id()


@with_engine
def test_files_of_the_release_are_there_and_stay_as_they_are(world: Containers) -> None:
    """Configuration comes from the release's own layer; the program reads it, and cannot change it."""
    config = world.home / "layers" / "f1" / "config"
    config.mkdir(parents=True)
    (config / "rubric.yaml").write_text("pass: 60")
    given = world.spec(
        "web-1", files={"config": Volume(path="/srv/config"), "config/rubric.yaml": Volume(env="RUBRIC")}
    )
    world.runtime.start(msgspec.structs.replace(given, layers=given.layers | {"files": "f1"}), {})
    world.up("web-1")
    assert world.exec("web-1", "cat", "/srv/config/rubric.yaml") == "pass: 60"
    assert world.exec("web-1", "sh", "-c", 'cat "$RUBRIC"') == "pass: 60"
    assert "ead-only" in world.exec("web-1", "sh", "-c", "echo x > /srv/config/rubric.yaml")
