"""The promises about databases that have a server, kept by every adapter."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from lading.data.postgres import KEPT, PostgresServers
from lading.model.environment import Configuration, EnvironmentRecord, InstanceSpec, Login, Observed
from lading.model.manifest import Database, Environment, Manifest, Project
from lading.model.release import Release
from lading.model.secret import Secret
from lading.model.server import url_of
from lading.planner.backing import dump_of, login_to, server_of
from lading.ports.runtime import Run
from lading.ports.server.conformance import ServersConformance, World
from lading.ports.server.memory import MemoryServers
from tests.containers import Containers, containers, with_engine
from tests.support import until

MAIN = Database(engine="postgres", env="DATABASE_URL")


class MemoryWorld:
    def __init__(self) -> None:
        self.servers = MemoryServers()
        self.url = Secret("postgresql://shop:pass-4711@main:5432/shop")
        self.wrong = Secret("postgresql://shop:guess-4711@main:5432/shop")
        self.servers.at(self.wrong).trouble = "password authentication failed"

    def note(self, *revisions: str) -> None:
        self.servers.at(self.url).revision = revisions

    def leave_dump(self) -> str:
        self.servers.left.add("/outputs/dump")
        return "/outputs/dump"


class PostgresWorld:
    """A server as an environment gets it, in a container."""

    def __init__(self, world: Containers) -> None:
        self.world = world
        self.servers = PostgresServers(world.home / "environments")
        release = Release(
            project="shop", version="v1", digest="", artifacts=(), manifest=Manifest(project=Project(name="shop"))
        )
        configuration = Configuration(environment="stage", tier="stage", table=Environment())
        login = login_to(release, configuration, "main", MAIN, {"main": 1})
        assert login is not None
        self.login: Login = login
        seen = Observed(record=EnvironmentRecord(project="shop", name="stage", tier="stage"))
        self.spec: InstanceSpec = server_of(1, release, configuration, "main", MAIN, login, seen)
        password = Secret("pass-4711")
        self.secrets = {"POSTGRES_PASSWORD": password, "PGPASSWORD": password}
        self.start()

    def start(self) -> None:
        state = self.world.runtime.start(self.spec, self.secrets)
        host = state.address.rpartition(":")[0]
        self.url = url_of(self.login, Secret("pass-4711"), host)
        self.wrong = url_of(self.login, Secret("guess-4711"), host)
        until(lambda: self.servers.trouble(self.url) == "", within=60)

    def note(self, *revisions: str) -> None:
        with psycopg.connect(self.url.reveal(), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS alembic_version")
            connection.execute("CREATE TABLE alembic_version (version_num text)")
            for revision in revisions:
                connection.execute("INSERT INTO alembic_version VALUES (%s)", [revision])

    def leave_dump(self) -> str:
        spec = dump_of(self.spec, 1)
        result = self.world.runtime.run(Run(name=spec.name, spec=spec, timeout=60), self.secrets)
        assert result.exit_status == 0, result.output
        return result.outputs


class TestMemoryServers(ServersConformance):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresWorld]:
    """One server for all tests: to make its files takes seconds."""
    with containers() as world:
        yield PostgresWorld(world)


@with_engine
class TestPostgresServers(ServersConformance):
    @pytest.fixture
    def world(self, postgres: PostgresWorld) -> World:
        postgres.note()
        return postgres

    def test_what_was_written_outlives_the_server(self, world: PostgresWorld) -> None:
        """A server that is killed, and made anew from nothing but its volume, has what was acknowledged."""
        world.note("77aa")
        world.world.crash(world.spec.name)
        world.world.until(lambda: not world.world.runtime.look(world.spec.name).running)  # type: ignore[union-attr]
        world.world.runtime.remove(world.spec.name)
        world.start()
        assert world.servers.revision(world.url) == ("77aa",)

    def test_it_is_hardened_and_published_nowhere(self, world: PostgresWorld) -> None:
        """As every container: no root, nothing to write to but its volume, no capabilities, no port of the host."""
        name = world.world.runtime._names.container("instance", world.spec.name)
        found = world.world.engine.get(f"/containers/{name}/json")
        assert found["Config"]["User"] == "postgres"
        assert (found["HostConfig"]["ReadonlyRootfs"], found["HostConfig"]["CapDrop"]) == (True, ["ALL"])
        assert not found["HostConfig"]["PortBindings"]

    def test_the_newest_dumps_are_kept(self, world: PostgresWorld, tmp_path: Path) -> None:
        """Of many, those of the last rollouts stay; others than the agent cannot read them."""
        servers = PostgresServers(tmp_path / "data")
        for rollout in range(1, KEPT + 3):
            outputs = tmp_path / f"outputs-{rollout}"
            outputs.mkdir()
            (outputs / "dump").write_bytes(b"PGDMP")
            kept = Path(servers.keep("shop", "stage", "main", rollout, str(outputs)))
            assert kept.stat().st_mode & 0o777 == 0o600
        names = {path.name for path in kept.parent.iterdir()}
        assert names == {f"r{rollout}.dump" for rollout in range(3, KEPT + 3)}
