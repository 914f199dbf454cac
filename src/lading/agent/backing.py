"""What backs a local environment, for whoever works on the project outside of a release: where each part of it is."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from lading.agent.answers import BackingGiven, HandedOver
from lading.agent.asking import BackingAsked
from lading.agent.received import check_backing
from lading.engine import resolving
from lading.engine.world import World
from lading.model import server
from lading.model.environment import EnvironmentRecord, InstanceSpec, Login
from lading.model.environment_table import Environment, Placement
from lading.model.errors import LadingError
from lading.model.manifest import Database

HANDED = "handed-"  # how the names of files begin that hand something over
ABANDONED = 60.0  # seconds after which nobody will come for one
VOLUMES = "volumes"  # where a runtime keeps an environment's volumes, within its data


class Backing:
    """Provides what backs a local environment. ``data`` gives the directory of its data by project and name.

    What programs are told and no answer may hold is handed over in a file below ``handing``, which is the agent's
    user's own; whoever reads it removes it.
    """

    def __init__(self, world: World, data: Callable[[str, str], Path], handing: Path) -> None:
        self._world = world
        self._data = data
        self._handing = handing

    def provide(self, project: str, environment: str, asked: BackingAsked) -> BackingGiven:
        """See that files of databases and volumes are there, and return where they and the servers are.

        What is there is not touched, and no server is started. Raise ``not-local`` for an environment of another tier,
        as this host holds it, and ``start-failed`` for a server that does not run.
        """
        check_backing(project, environment, asked)
        record = require_local(self._world, project, environment, asked.table)
        served = {
            name: database
            for name, database in asked.databases.items()
            if database.has_server and asked.table.databases.get(name, Placement()).url is None
        }
        databases = {
            name: self._world.databases.provide(project, environment, name, database)
            for name, database in asked.databases.items()
            if not database.has_server
        }
        volumes = self._data(project, environment) / VOLUMES
        hosts = {
            host: address
            for name in (*served, *asked.services)
            for host, address in self._hosts(environment, record, name, asked)
        }
        return BackingGiven(
            databases=databases,
            volumes={name: _made(volumes / name) for name in asked.volumes},
            hosts=hosts,
            handed=self._handed(project, environment, record, served) if served else "",
        )

    def _hosts(
        self, environment: str, record: EnvironmentRecord | None, name: str, asked: BackingAsked
    ) -> Iterator[tuple[str, str]]:
        """Yield the names by which containers find a server, each with its address."""
        spec = record.backing.get(name) if record is not None else None
        state = self._world.runtime.look(spec.name) if spec is not None else None
        if spec is None or state is None or not state.running:
            raise _down(environment, name, spec)
        if name in asked.services:
            aliases = (name, *asked.services[name].aliases)
        else:
            alias = asked.databases[name].alias
            aliases = (server.host_of(name), *((alias,) if alias is not None else ()))
        yield from ((alias, state.host) for alias in aliases)

    def _handed(
        self, project: str, environment: str, record: EnvironmentRecord | None, databases: dict[str, Database]
    ) -> str:
        """Write down what programs are told of servers where the agent's user alone can read it, and return where."""
        self._sweep()
        key = f"{project}/{environment}"
        versions = self._world.secrets.versions(key)
        variables: dict[str, str] = {}
        passwords = []
        for name, database in databases.items():
            spec = record.backing[name] if record is not None else None
            assert spec is not None, "its host was asked for before"
            password = server.password_name(name)
            login = server.login_of(project, name, versions[password], spec.name)
            variables |= self._told(key, spec, database, login)
            passwords.append(self._world.secrets.get(key, password, login.version).reveal())
        with tempfile.NamedTemporaryFile(dir=self._handing, prefix=HANDED, suffix=".json", delete=False) as file:
            # Its mode is 0600 from the beginning.
            file.write(msgspec.json.encode(HandedOver(variables=variables, secrets=tuple(passwords))))
        return file.name

    def _sweep(self) -> None:
        """Remove what nobody fetched: whoever asked for it died."""
        for left in self._handing.glob(f"{HANDED}*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > ABANDONED:
                    left.unlink()

    def _told(self, key: str, spec: InstanceSpec, database: Database, login: Login) -> dict[str, str]:
        told = msgspec.structs.replace(spec, secrets={}, told=server.told(database, login, "{host}"))
        return {name: value.reveal() for name, value in resolving.secrets_of(self._world, key, told).items()}


def require_local(world: World, project: str, environment: str, table: Environment) -> EnvironmentRecord | None:
    """Return the record of an environment that is worked on, None where it never had one.

    Raise ``not-local`` where this host holds it as one of another tier, or nothing is known here and ``table`` does.
    """
    record = world.journal.environment(project, environment)
    # Before its first rollout an environment named production is held as such, whatever a manifest calls it.
    named = Environment().tier_of(environment)
    tier = record.tier if record is not None else named if named == "production" else table.tier_of(environment)
    if tier != "local":
        raise LadingError(
            "not-local",
            doing="refused",
            happened=f"{environment} is of tier {tier}, and only local environments are worked on directly",
            now=f"{environment} is untouched",
            hint="lading dev, for the local environment",
        )
    return record


def _down(environment: str, name: str, spec: InstanceSpec | None) -> LadingError:
    return LadingError(
        "start-failed",
        doing=f"asking where {name} of {environment} is",
        happened="it does not run" if spec is not None else "it was never started here",
        now="nothing was started",
        hint=f"lading logs {environment} {name}, then: lading dev" if spec is not None else "lading dev",
    )


def _made(directory: Path) -> str:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(directory)
