"""Databases and volumes of local environments, for whoever works on the project outside of a release."""

from collections.abc import Callable
from pathlib import Path

from lading.agent.answers import BackingGiven
from lading.agent.asking import BackingAsked
from lading.agent.received import check_backing
from lading.engine.world import World
from lading.model.errors import LadingError

VOLUMES = "volumes"  # where a runtime keeps an environment's volumes, within its data


class Backing:
    """Provides what backs a local environment. ``data`` gives the directory of its data by project and name."""

    def __init__(self, world: World, data: Callable[[str, str], Path]) -> None:
        self._world = world
        self._data = data

    def provide(self, project: str, environment: str, asked: BackingAsked) -> BackingGiven:
        """See that databases and volumes are there and return where; what is there is not touched.

        Raise ``not-local`` for an environment of another tier, as this host holds it.
        """
        check_backing(project, environment, asked)
        record = self._world.journal.environment(project, environment)
        tier = record.tier if record is not None else asked.table.tier_of(environment)
        if tier != "local":
            raise LadingError(
                "not-local",
                doing="refused",
                happened=f"{environment} is of tier {tier}, and only local environments are worked on directly",
                now=f"{environment} is untouched",
                hint="lading dev, for the local environment",
            )
        _refuse_servers(asked)
        databases = {
            name: self._world.databases.provide(project, environment, name, database)
            for name, database in asked.databases.items()
        }
        volumes = self._data(project, environment) / VOLUMES
        return BackingGiven(databases=databases, volumes={name: _made(volumes / name) for name in asked.volumes})


def _refuse_servers(asked: BackingAsked) -> None:
    served = [name for name, database in asked.databases.items() if database.has_server]
    if served:
        raise LadingError(
            "not-supported",
            doing="refused",
            happened=f"lading dev gives SQLite databases only, and {', '.join(served)} is PostgreSQL",
            now="nothing was changed",
            hint="lading up, which runs the project as it is released, with its database",
        )


def _made(directory: Path) -> str:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(directory)
