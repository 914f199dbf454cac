"""From an environment's configuration to what stands between its visitors and it; nothing is left open by mistake."""

from lading.engine.logins import hashed
from lading.engine.world import World
from lading.model.environment import Configuration, Edge, Routes, RouteTls
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
    return Edge(
        logins=logins,
        allow=access.allow if access is not None else (),
        limits=table.limits,
        tls=_tls(world, key, configuration),
    )


def sources_of(configuration: Configuration) -> tuple[object, ...]:
    """Return all that an edge is made of; of the same it is the same."""
    table = configuration.table
    versions = {name: configuration.secret_versions.get(name) for name in table.edge_secrets}
    return table.access, table.limits, table.tls, versions


def check_edge(world: World, key: str, configuration: Configuration, port: int | None) -> None:
    """Raise what would keep the edge from being put up: a login or certificate that is none, a port that is missing."""
    edge = edge_of(world, key, configuration)
    domain = configuration.table.domain
    world.router.check(Routes(environment=key, generation="check", port=port, domain=domain, edge=edge))


def _tls(world: World, key: str, configuration: Configuration) -> RouteTls | None:
    tls = configuration.table.tls
    if tls is None:
        return None
    if tls.acme is not None:
        return RouteTls(acme=tls.acme, hsts=round(tls.hsts))
    files = {}
    for what, source in (("certificate", tls.certificate), ("key", tls.key)):
        given = source or ""
        if given in tls.secrets:
            given = world.router.keep(key, what, _secret(world, key, configuration, given, "its certificate"))
        files[what] = given
    return RouteTls(certificate=files["certificate"], key=files["key"], hsts=round(tls.hsts))


def _secret(world: World, key: str, configuration: Configuration, name: str, what: str = "its login") -> Secret:
    version = configuration.secret_versions.get(name)
    if version is None:
        raise LadingError(
            "secret-missing",
            doing=f"the edge of {configuration.environment}",
            happened=f"secret {name} should hold {what}: it is not set",
            now="nothing was opened; the routes in force stay as they are",
            hint=f"lading secrets set {configuration.environment} {name}",
        )
    return world.secrets.get(key, name, version)


def _unfit(environment: str, name: str, reason: str) -> LadingError:
    return LadingError(
        "secret-missing",
        doing=f"access to {environment}",
        happened=f"secret {name} cannot guard it: {reason}",
        now="nothing was opened; the routes in force stay as they are",
        hint=f"lading secrets set {environment} {name}, with a value such as user:password, one a line",
    )
