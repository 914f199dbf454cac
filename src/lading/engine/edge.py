"""From an environment's configuration to what stands between its visitors and it; nothing is left open by mistake."""

from lading.engine.logins import hashed, logins_of
from lading.engine.world import World
from lading.model.environment import Configuration, Edge
from lading.model.errors import LadingError
from lading.model.secret import Secret


def edge_of(world: World, key: str, configuration: Configuration) -> Edge:
    """Return the edge of an environment (``project/name``); raise ``secret-missing`` rather than leave it open."""
    table = configuration.table
    access = table.access
    logins: tuple[str, ...] = ()
    if access is not None and access.basic is not None:
        secret = _secret(world, key, configuration, access.basic)
        try:
            logins = hashed(secret, f"{key}\0{access.basic}")
        except ValueError as error:
            raise _unfit(configuration.environment, access.basic, str(error)) from error
    return Edge(logins=logins, allow=access.allow if access is not None else (), limits=table.limits)


def check_edge(world: World, key: str, configuration: Configuration) -> None:
    """Raise ``secret-missing`` when the edge could not be put up with the secrets that are there."""
    access = configuration.table.access
    if access is None or access.basic is None:
        return
    try:
        logins_of(_secret(world, key, configuration, access.basic))
    except ValueError as error:
        raise _unfit(configuration.environment, access.basic, str(error)) from error


def _secret(world: World, key: str, configuration: Configuration, name: str) -> Secret:
    version = configuration.secret_versions.get(name)
    if version is None:
        raise _unfit(configuration.environment, name, "it is not set")
    return world.secrets.get(key, name, version)


def _unfit(environment: str, name: str, reason: str) -> LadingError:
    return LadingError(
        "secret-missing",
        doing=f"access to {environment}",
        happened=f"secret {name} cannot guard it: {reason}",
        now="nothing was opened; the routes in force stay as they are",
        hint=f"lading secrets set {environment} {name}, with a value such as user:password, one a line",
    )
