"""What stands behind a release and outlives it: the servers of its databases."""

from collections.abc import Iterator, Mapping

import msgspec

from lading.model import server
from lading.model.data_steps import StartDatabase
from lading.model.environment import Configuration, InstanceSpec, Login, Observed, Told
from lading.model.environment_table import Environment, Placement
from lading.model.manifest import Database, Manifest, Volume
from lading.model.plan import Step
from lading.model.release import Release

GRACE = 60.0  # seconds a server may take to write down what it has in memory
WITHIN = 120.0  # seconds in which a server must answer: the first time it makes its files
ELSEWHERE = 20.0  # seconds in which one that somebody else runs must answer
DATA = "/var/lib/postgresql/data"  # where the image has its volume
SOCKETS = "/var/run/postgresql"
# Its list of contents is read back: what cannot be read is no dump.
DUMP = """sh -c 'pg_dump -Fc -f "$LADING_OUTPUTS/dump" && pg_restore -l "$LADING_OUTPUTS/dump" >/dev/null'"""


def steps(number: int, release: Release, configuration: Configuration, observed: Observed) -> Iterator[Step]:
    """Yield what brings up the servers of a release's databases, or finds them up."""
    for name, database in release.manifest.databases.items():
        login = login_to(release, configuration, name, database, observed.passwords)
        if login is None:
            continue
        if not login.server:
            yield StartDatabase(database=name, spec=None, login=login, within=ELSEWHERE)
            continue
        spec = server_of(number, release, configuration, name, database, login, observed)
        admin = _admin(release, name, login, observed)
        yield StartDatabase(database=name, spec=spec, login=login, within=WITHIN, admin=admin)


def only(manifest: Manifest, table: Environment) -> tuple[Manifest, Environment]:
    """Return of a manifest what Lading runs beside a release, and of an environment's table what that needs.

    Services that have files mounted stay too: all files are one layer, and it is to be the same as in a release.
    """
    own = {
        name: msgspec.structs.replace(database, migrate=None, build=None)
        for name, database in manifest.databases.items()
        if database.has_server and table.databases.get(name, Placement()).url is None
    }
    mounting = any(one.files for one in manifest.services.values() if one.image is not None)
    services = {
        name: one for name, one in manifest.services.items() if one.image is not None or (mounting and one.files)
    }
    return (
        Manifest(project=manifest.project, databases=own, services=services),
        Environment(
            tier=table.tier,
            env=table.env,
            resources=table.resources,
            egress=table.egress,
            databases={name: one for name, one in table.databases.items() if name in own},
        ),
    )


def login_to(
    release: Release, configuration: Configuration, name: str, database: Database, passwords: Mapping[str, int]
) -> Login | None:
    """Return how a database's server is reached; None for a file, and for a URL that nobody stored yet."""
    if not database.has_server:
        return None
    own = own_url(configuration, name)
    if own is not None:
        version = configuration.secret_versions.get(own)
        return Login(secret=own, version=version) if version is not None else None
    instance = server_name(release.project, configuration.environment, name)
    return server.login_of(release.project, name, passwords.get(name, 1), instance)


def _admin(release: Release, name: str, login: Login, observed: Observed) -> Login:
    version = observed.passwords.get(server.admin_of(name), 1)
    return server.admin_login(release.project, name, version, login.server)


def own_url(configuration: Configuration, name: str) -> str | None:
    """Return the secret that holds the URL of a database run by somebody else; None where Lading runs it."""
    return configuration.table.databases.get(name, Placement()).url


def told(release: Release, configuration: Configuration, kind: str, passwords: Mapping[str, int]) -> dict[str, Told]:
    """Return the variables of all databases with a server, for programs of a kind (``bundle``, ``image``).

    Containers find a server by name; a process of the host needs its address.
    """
    found: dict[str, Told] = {}
    for name, database in release.manifest.databases.items():
        login = login_to(release, configuration, name, database, passwords)
        if login is not None:
            # Never the alias: a name without a point in it is first asked for elsewhere, which may take seconds.
            found |= server.told(database, login, server.host_of(name) if kind == "image" else "{host}")
    return found


def hosts(databases: Mapping[str, Database]) -> list[str]:
    """Return every name under which containers may find the servers of databases."""
    named = [(server.host_of(name), found.alias) for name, found in databases.items() if found.has_server]
    return [host for pair in named for host in pair if host is not None]


def server_name(project: str, environment: str, name: str) -> str:
    """Return the name of the instance that is a database's server: points are in no project's or environment's name."""
    return f"{project}.{environment}.{name}"


def server_of(
    number: int,
    release: Release,
    configuration: Configuration,
    name: str,
    database: Database,
    login: Login,
    observed: Observed,
) -> InstanceSpec:
    """Return the instance that is a database's server.

    Its files lie where the environment's record has them. A server that never answered has none worth keeping, and may
    have died while it made them: then they are made anew, in a directory of this rollout.
    """
    known = observed.record.backing.get(name)
    place = known.env["PGDATA"] if known is not None else f"{DATA}/r{number}"
    admin = _admin(release, name, login, observed)
    return InstanceSpec(
        name=login.server,
        project=release.project,
        environment=configuration.environment,
        service=name,
        slot=1,
        rollout=0,
        digest="",
        version=server.image_of(database),
        artifact="",
        kind="image",
        layers={},
        image=server.image_of(database),
        port=server.PORT,
        env={"POSTGRES_USER": admin.user, "POSTGRES_DB": login.name, "PGDATA": place, "PGUSER": admin.user},
        secrets={"POSTGRES_PASSWORD": (admin.secret, admin.version), "PGPASSWORD": (admin.secret, admin.version)},
        volumes={f"database-{name}": Volume(path=DATA)},
        resources=configuration.table.databases.get(name, Placement()).resources,
        stop_signal="SIGINT",
        grace=GRACE,
        aliases=tuple(hosts({name: database})),
        user="postgres",
        scratch=(SOCKETS,),
    )


def dump_of(server_spec: InstanceSpec, number: int) -> InstanceSpec:
    """Return what writes a database down in a rollout, by the server's own tools and of its own version."""
    return msgspec.structs.replace(
        server_spec,
        name=f"{server_spec.name}.dump-r{number}",
        command=DUMP,
        env={"PGHOST": server.host_of(server_spec.service), "PGUSER": server_spec.env["PGUSER"]}
        | {"PGDATABASE": server_spec.env["POSTGRES_DB"]},
        secrets={"PGPASSWORD": server_spec.secrets["PGPASSWORD"]},
        volumes={},
        port=None,
        aliases=(),
    )
