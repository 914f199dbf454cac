"""Move all routes of an environment in one act."""

import msgspec

from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.routes import routes_of
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.plan import Cutover


def act(context: Context, step: Cutover) -> Done:
    """Route to the new unit, confirmed, and make it what serves in the same commit as the outcome."""
    if step.to.web:
        _check_alive(context, step)
        with context.locks.of(context.key):
            context.world.router.apply(routes_of(context.world, context.record(), step.to))
    before = step.back.release.version if step.back is not None else "nothing"
    record = msgspec.structs.replace(
        context.record(),
        serving=msgspec.structs.replace(step.to, since=context.world.clock.now()),
        standby=step.back,
        standby_until=0.0,
        history=step.history_after,
    )
    return Done(text=f"{before} → {step.to.release.version}", record=record)


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
    world = context.world
    back = step.back
    if back is not None and back.web:
        for spec in back.web:
            _raise_up(context, spec)
        with context.locks.of(context.key):
            world.router.apply(routes_of(world, context.record(), back))
    elif step.to.web:
        with context.locks.of(context.key):
            world.router.withdraw(context.key)
    record = msgspec.structs.replace(
        context.record(), serving=back, standby=None, standby_until=0.0, history=step.history
    )
    return Done(text=f"{back.release.version if back else 'nothing'} serves again", record=record)


def _raise_up(context: Context, spec: InstanceSpec) -> None:
    """See that a previous instance runs and, if it had to be started again, give it its time to become ready."""
    world = context.world
    state = world.runtime.look(spec.name)
    world.runtime.start(spec, context.secrets_of(spec))
    if (state is not None and state.running) or spec.ready is None:
        return
    deadline = world.clock.monotonic() + spec.ready.within
    while world.clock.monotonic() < deadline:
        now = world.runtime.look(spec.name)
        if now is not None and now.running and world.checks.probe(now.address, spec.ready).passed:
            return
        world.clock.wait(spec.ready.interval, lambda: False)
