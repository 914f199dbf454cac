"""The promises about databases that have a server, kept by every adapter."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from lading.data import roles
from lading.data.postgres import KEPT, PostgresServers
from lading.model.environment import Configuration, EnvironmentRecord, InstanceSpec, Login, Observed
from lading.model.environment_table import Environment
from lading.model.manifest import Database, Manifest, Project
from lading.model.release import Release
from lading.model.secret import Secret
from lading.model.server import admin_login, url_of
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
        self.admin = Secret("postgresql://lading-admin:admin-4711@main:5432/shop")
        self.servers.at(self.wrong).trouble = "password authentication failed"

    def note(self, *revisions: str) -> None:
        self.servers.at(self.url).revision = revisions

    def leave_dump(self) -> str:
        self.servers.left.add("/outputs/dump")
        return "/outputs/dump"


class PostgresWorld:
    """A server in a container, as environments got it when programs still were superusers there."""

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
        self.made = msgspec.structs.replace(self.spec, env={**self.spec.env, "POSTGRES_USER": "shop", "PGUSER": "shop"})
        self.start()

    def start(self) -> None:
        state = self.world.runtime.start(self.made, {"POSTGRES_PASSWORD": Secret("pass-4711")})
        host = state.address.rpartition(":")[0]
        self.url = url_of(self.login, Secret("pass-4711"), host)
        self.wrong = url_of(self.login, Secret("guess-4711"), host)
        self.admin = url_of(admin_login("shop", "main", 1, self.spec.name), Secret("admin-4711"), host)
        until(lambda: self.servers.trouble(self.url) == "", within=60)

    def note(self, *revisions: str) -> None:
        with psycopg.connect(self.url.reveal(), autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS alembic_version")
            connection.execute("CREATE TABLE alembic_version (version_num text)")
            for revision in revisions:
                connection.execute("INSERT INTO alembic_version VALUES (%s)", [revision])

    def leave_dump(self) -> str:
        spec = dump_of(self.spec, 1)
        secrets = {"PGPASSWORD": Secret("admin-4711")}
        result = self.world.runtime.run(Run(name=spec.name, spec=spec, timeout=60), secrets)
        assert result.exit_status == 0, result.output
        return result.outputs


def rights(url: Secret) -> tuple[bool, str]:
    """Return whether who logs in may do everything, and who owns the database."""
    with psycopg.connect(url.reveal()) as connection:
        may = roles.may_do_everything(connection)
        owner = connection.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'").fetchone()
        assert owner is not None
        return may, owner[0]


class TestMemoryServers(ServersConformance):
    @pytest.fixture
    def world(self) -> World:
        return MemoryWorld()


# What migrations make, of every kind, and a statement that only the owner of each may give.
MADE = (
    ("CREATE SCHEMA books", "ALTER SCHEMA books RENAME TO ledgers"),
    ("CREATE TABLE offers (id serial PRIMARY KEY, name text, grade int)", "ALTER TABLE offers ADD COLUMN until date"),
    ("CREATE INDEX named ON offers (name)", "DROP INDEX named"),
    ("CREATE TABLE books.rows (id int GENERATED ALWAYS AS IDENTITY)", "ALTER TABLE ledgers.rows ADD COLUMN at date"),
    ("CREATE TABLE parts (at int) PARTITION BY RANGE (at)", "ALTER TABLE parts ADD COLUMN name text"),
    ("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (9)", "DROP TABLE parts_1"),
    ("CREATE SEQUENCE numbers", "ALTER SEQUENCE numbers RESTART 7"),
    ('CREATE VIEW "Best Offers" AS SELECT name FROM offers', 'DROP VIEW "Best Offers"'),
    ("CREATE MATERIALIZED VIEW seen AS SELECT name FROM offers", "REFRESH MATERIALIZED VIEW seen"),
    ("CREATE TYPE state AS ENUM ('open')", "ALTER TYPE state ADD VALUE 'closed'"),
    ("CREATE TYPE pair AS (a int, b int)", "ALTER TYPE pair ADD ATTRIBUTE c int"),
    ("CREATE DOMAIN cents AS int", "ALTER DOMAIN cents SET NOT NULL"),
    ("CREATE FUNCTION one(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION one(int)"),
    ("CREATE PROCEDURE nothing() LANGUAGE sql AS ''", "DROP PROCEDURE nothing()"),
    ("CREATE AGGREGATE total(int) (sfunc = int4pl, stype = int)", "DROP AGGREGATE total(int)"),
    ("CREATE STATISTICS together ON name, grade FROM offers", "DROP STATISTICS together"),
    ("CREATE COLLATION plain (locale = 'C')", "ALTER COLLATION plain RENAME TO plainer"),
    ("CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)", "DROP TEXT SEARCH CONFIGURATION words"),
    ("CREATE TEXT SEARCH DICTIONARY terms (TEMPLATE = simple)", "DROP TEXT SEARCH DICTIONARY terms"),
    ("CREATE PUBLICATION told FOR TABLE offers", "ALTER PUBLICATION told RENAME TO retold"),
    ("SELECT lo_create(4711)", "SELECT lo_unlink(4711)"),
    ("CREATE EXTENSION pg_trgm", "CREATE EXTENSION citext"),
)


# What somebody once said of the role by hand, and what a program relies on ever since.
SAID = (
    "CREATE SCHEMA app",
    "CREATE TABLE app.carts (id int)",
    "CREATE ROLE \"Reader\" LOGIN PASSWORD 'reads-4711'",
    'GRANT shop TO "Reader"',
    "ALTER ROLE shop SET search_path = app, public",
    "ALTER ROLE shop IN DATABASE shop SET work_mem = '5MB'",
    "ALTER ROLE shop SET log_min_duration_statement = 4711",  # a superuser's to set
    'ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO "Reader"',
    'ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO "Reader" WITH GRANT OPTION',
)


def as_migrations_leave_it(url: Secret) -> None:
    with psycopg.connect(url.reveal(), autocommit=True) as connection:
        for statement, _ in MADE:
            connection.execute(statement)
        for statement in SAID:
            connection.execute(statement)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresWorld]:
    """One server for all tests: to make its files takes seconds."""
    with containers() as world:
        made = PostgresWorld(world)
        as_migrations_leave_it(made.url)
        yield made


@with_engine
def test_programs_own_what_they_made_and_may_no_more(postgres: PostgresWorld) -> None:
    """A server is handed over when nobody holds what it owns, and then whole; sessions that stand go on."""
    with psycopg.connect(postgres.url.reveal()) as holding:
        holding.execute("LOCK TABLE offers IN ACCESS SHARE MODE")
        assert postgres.servers.hand_over(postgres.url, postgres.admin) == roles.BUSY
        assert rights(postgres.url) == (True, "shop")
        holding.rollback()
        assert postgres.servers.hand_over(postgres.url, postgres.admin) == ""
        holding.execute("INSERT INTO offers (name) VALUES ('bread')")
        # A session keeps the rights that it began with, and what it makes is not the programs' at once.
        holding.execute("CREATE TABLE public.made_late (id serial)")
        holding.commit()
        assert postgres.servers.hand_over(postgres.url, postgres.admin) == ""
    assert rights(postgres.url) == (False, "shop")
    assert rights(postgres.admin) == (True, "shop")
    with psycopg.connect(postgres.url.reveal(), autocommit=True) as connection:
        for _, statement in MADE:
            connection.execute(statement)
        connection.execute("CREATE TABLE later (id int)")
        connection.execute("ALTER TABLE made_late ADD COLUMN name text")
        assert connection.execute("SELECT name FROM offers").fetchall() == [("bread",)]
        for statement in ("COPY offers TO PROGRAM 'cat'", "CREATE EXTENSION dblink", "CREATE ROLE other"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    former = Secret(postgres.url.reveal().replace("//shop:", f"//{roles.FORMER}:"))
    assert postgres.servers.trouble(former)


@with_engine
def test_an_administrator_that_is_known_gets_the_password_that_it_has_to_have(postgres: PostgresWorld) -> None:
    """Whoever died between making it and noting that finds it, and makes no second one."""
    assert postgres.servers.hand_over(postgres.url, postgres.admin) == ""
    with psycopg.connect(postgres.admin.reveal()) as connection:
        roles.make_admin(connection, "lading-admin", "another-4711")
    another = Secret(postgres.admin.reveal().replace("admin-4711", "another-4711"))
    assert postgres.servers.trouble(postgres.admin)
    with psycopg.connect(another.reveal()) as connection:
        roles.make_admin(connection, "lading-admin", "admin-4711")
    assert postgres.servers.trouble(postgres.admin) == ""


@with_engine
def test_what_was_said_of_the_role_is_said_of_the_new_one(postgres: PostgresWorld) -> None:
    """Settings, default privileges and memberships: what serves relies on them, and its next connection must, too."""
    assert postgres.servers.hand_over(postgres.url, postgres.admin) == ""
    with psycopg.connect(postgres.url.reveal(), autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM carts").fetchone() == (0,)
        for setting, value in (("search_path", "app, public"), ("work_mem", "5MB")):
            assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (value,)
        assert connection.execute("SHOW log_min_duration_statement").fetchone() == ("4711ms",)
        connection.execute("DROP TABLE IF EXISTS app.orders")
        connection.execute("CREATE TABLE app.orders (id serial)")
        for privilege in ("SELECT", "INSERT"):
            found = connection.execute("SELECT has_table_privilege('Reader', 'app.orders', %s)", [privilege]).fetchone()
            assert found == (True,), "a member has what the role has"
        granted = "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'Reader'"
        assert connection.execute(f"{granted} AND table_name = 'orders'").fetchone() == (1,)
        sequences = "SELECT has_sequence_privilege('Reader', 'app.orders_id_seq', 'USAGE WITH GRANT OPTION')"
        assert connection.execute(sequences).fetchone() == (True,)
    reader = Secret(postgres.url.reveal().replace("//shop:pass-4711@", "//Reader:reads-4711@"))
    with psycopg.connect(reader.reveal(), autocommit=True) as connection:
        connection.execute("SET ROLE shop")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f'SET ROLE "{roles.FORMER}"')


@with_engine
class TestPostgresServers(ServersConformance):
    @pytest.fixture
    def world(self, postgres: PostgresWorld) -> World:
        assert postgres.servers.hand_over(postgres.url, postgres.admin) == ""
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
