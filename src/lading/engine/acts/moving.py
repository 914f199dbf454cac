"""What acts have in common that move an environment's requests from one unit to another."""

import msgspec

from lading.engine.context import Context
from lading.engine.routes import held_routes, routes_of
from lading.model.environment import EnvironmentRecord, InstanceSpec, Pinned


def route(context: Context, unit: Pinned | None) -> None:
    """Send the environment's requests to a unit; nowhere, where it takes none."""
    with context.locks.of(context.key):
        if unit is not None and unit.web:
            context.world.router.apply(routes_of(context.world, context.record(), unit))
        else:
            context.world.router.withdraw(context.key)


def hold(context: Context, unit: Pinned, limit: float) -> None:
    """Let requests for what a unit serves wait, ``limit`` seconds each, until they are routed again."""
    # Also where nothing takes requests: a look of the supervisor that began before is over then.
    with context.locks.of(context.key):
        if unit.web:
            context.world.router.apply(held_routes(context.world, context.record(), unit, context.rollout.id, limit))


def reached_as(record: EnvironmentRecord, unit: Pinned) -> EnvironmentRecord:
    """Return the record with the port and the domain by which a unit is reached."""
    port = unit.port if unit.port is not None else record.port
    return msgspec.structs.replace(record, port=port, domain=unit.configuration.table.domain)


def raise_up(context: Context, spec: InstanceSpec) -> None:
    """See that a previous instance runs and, if it had to be started again, give it its time to become ready."""
    state = context.world.runtime.look(spec.name)
    context.up(spec)
    if state is None or not state.running:
        await_ready(context, spec)


def await_ready(context: Context, spec: InstanceSpec) -> None:
    """Give an instance its time to become ready; when it does not, it is the best there is all the same."""
    world = context.world
    if spec.ready is None:
        return
    deadline = world.clock.monotonic() + spec.ready.within
    while world.clock.monotonic() < deadline:
        now = world.runtime.look(spec.name)
        if now is not None and now.running and world.checks.probe(now.address, spec.ready).passed:
            return
        world.clock.wait(spec.ready.interval, lambda: False)
