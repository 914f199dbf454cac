"""From a unit to its routes: addresses are looked up when they are applied, so a restarted instance is found."""

import msgspec

from lading.engine.edge import edge_of, sources_of
from lading.engine.world import World
from lading.model.environment import Backend, Canary, Edge, EnvironmentRecord, Pinned, Routes, ServiceRoute
from lading.model.errors import LadingError
from lading.model.plan import Stop


def routes_of(world: World, record: EnvironmentRecord, unit: Pinned) -> Routes:
    """Return the routes of a unit with the addresses its running instances have now, behind its environment's edge."""
    services = []
    for name in dict.fromkeys(spec.service for spec in unit.web):
        service = unit.release.manifest.services[name]
        specs = [spec for spec in unit.web if spec.service == name]
        services.append(
            ServiceRoute(
                service=name,
                path=service.path,
                strip_prefix=service.strip_prefix,
                backends=tuple(_backends(world, [spec.name for spec in specs])),
                ready=specs[0].ready,
                affinity=service.affinity,
            )
        )
    return Routes(
        environment=record.key,
        generation=generation_of(unit),
        port=unit.port if unit.port is not None else record.port,
        domain=unit.configuration.table.domain,
        services=tuple(services),
        edge=_edge(world, record, unit),
        maintenance=world.journal.maintenance(record.project, record.name),
    )


def _edge(world: World, record: EnvironmentRecord, unit: Pinned) -> Edge:
    """Return a unit's edge; what the router holds of the very same one needs no secret to be read again."""
    try:
        return edge_of(world, record.key, unit.configuration)
    except LadingError:
        current = world.router.current(record.key)
        made_for = _made_for(world, record, current.generation) if current is not None else None
        if current is None or made_for is None:
            raise
        if sources_of(made_for.configuration) != sources_of(unit.configuration):
            raise
        return current.edge


def _made_for(world: World, record: EnvironmentRecord, generation: str) -> Pinned | None:
    """Return the unit whose edge the routes of a generation have, None where nobody knows."""
    for unit in (record.serving, record.standby):
        if unit is not None and generation_of(unit) == generation:
            return unit
    for rollout in world.journal.unfinished():
        if gap_generation(rollout.id) == generation:
            return next((step.unit for step in rollout.plan.steps if isinstance(step, Stop)), None)
    return None


def shared_routes(world: World, record: EnvironmentRecord, previous: Pinned, unit: Pinned, share: float) -> Routes:
    """Return the routes by which a unit gets a share of the requests for what serves before it."""
    canary = Canary(generation=generation_of(unit), share=share, services=routes_of(world, record, unit).services)
    return msgspec.structs.replace(routes_of(world, record, previous), canary=canary)


def held_routes(world: World, record: EnvironmentRecord, unit: Pinned, number: int, limit: float) -> Routes:
    """Return the routes by which requests for a unit wait, ``limit`` seconds each, while rollout ``number`` goes on."""
    routes = routes_of(world, record, unit)
    services = tuple(msgspec.structs.replace(one, backends=(), ready=None, affinity=False) for one in routes.services)
    return msgspec.structs.replace(routes, generation=gap_generation(number), services=services, hold=limit)


def gap_generation(number: int) -> str:
    """Return the name under which the router counts the requests that wait in rollout ``number``."""
    return f"r{number}-gap"


def generation_of(unit: Pinned) -> str:
    """Return the name under which the router counts a unit's requests."""
    return f"r{unit.rollout}"


def _backends(world: World, names: list[str]) -> list[Backend]:
    backends = []
    for name in names:
        state = world.runtime.look(name)
        if state is not None and state.address:
            backends.append(Backend(instance=name, address=state.address))
    return backends
