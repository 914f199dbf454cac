"""Move all routes of an environment in one act."""

import msgspec

from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.routes import routes_of
from lading.model.environment import EnvironmentRecord, InstanceSpec, Pinned
from lading.model.errors import LadingError
from lading.model.plan import Cutover


def act(context: Context, step: Cutover) -> Done:
    """Route to the new unit, confirmed, and make it what serves in the same commit as the outcome."""
    if step.to.web:
        _check_alive(context, step)
    _route(context, step.to)
    before = step.back.release.version if step.back is not None else "nothing"
    record = msgspec.structs.replace(
        _reached_as(context.record(), step.to),
        serving=msgspec.structs.replace(step.to, since=context.world.clock.now()),
        standby=step.back,
        standby_until=0.0,
        history=step.history_after,
    )
    return Done(text=f"{before} → {step.to.release.version}", record=record)


def _route(context: Context, unit: Pinned | None) -> None:
    """Send the environment's requests to a unit; nowhere, where it takes none."""
    with context.locks.of(context.key):
        if unit is not None and unit.web:
            context.world.router.apply(routes_of(context.world, context.record(), unit))
        else:
            context.world.router.withdraw(context.key)


def _reached_as(record: EnvironmentRecord, unit: Pinned) -> EnvironmentRecord:
    """Return the record with the port and the domain by which a unit is reached."""
    port = unit.port if unit.port is not None else record.port
    return msgspec.structs.replace(record, port=port, domain=unit.configuration.table.domain)


def _check_alive(context: Context, step: Cutover) -> None:
    # A resumed rollout may find its candidate gone (a reboot in between): routing to it would be an outage.
    for spec in step.to.web:
        state = context.world.runtime.look(spec.name)
        if state is None or not state.running:
            raise LadingError(
                "start-failed",
                doing="cutover",
                happened=f"{spec.label} of {step.to.release.version} no longer runs",
                details=context.last_words(spec),
                hint=f"lading logs {context.rollout.environment} {spec.service} --rollout {context.rollout.id}",
            )


def undo(context: Context, step: Cutover) -> Done:
    """Route back to the previous unit, whose instances are still up (or are started again), or to nothing."""
    back = step.back
    for spec in back.web if back is not None else ():
        _raise_up(context, spec)
    _route(context, back)
    record = context.record()
    text = f"{back.release.version if back else 'nothing'} serves again"
    if record.serving is None or record.serving.rollout != step.to.rollout:
        # It never was what serves: whatever stood by before still does.
        return Done(text=text)
    if back is not None:
        record = _reached_as(record, back)
    record = msgspec.structs.replace(record, serving=back, standby=None, standby_until=0.0, history=step.history)
    return Done(text=text, record=record)


def _raise_up(context: Context, spec: InstanceSpec) -> None:
    """See that a previous instance runs and, if it had to be started again, give it its time to become ready."""
    world = context.world
    state = world.runtime.look(spec.name)
    context.up(spec)
    if (state is not None and state.running) or spec.ready is None:
        return
    deadline = world.clock.monotonic() + spec.ready.within
    while world.clock.monotonic() < deadline:
        now = world.runtime.look(spec.name)
        if now is not None and now.running and world.checks.probe(now.address, spec.ready).passed:
            return
        world.clock.wait(spec.ready.interval, lambda: False)
