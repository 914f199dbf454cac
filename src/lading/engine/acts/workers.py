"""Hand over from the previous workers to the new: never both at once, so no job is taken twice; the gap is recorded."""

from lading.engine.acts.waiting import fate_of
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.plan import Workers

# Seconds a new worker must stay up before it counts as started: most broken ones die while importing.
SETTLE = 1.0


def act(context: Context, step: Workers) -> Done:
    """Stop the previous workers with their grace, start the new ones and see that they stay up."""
    clock = context.world.clock
    # First: what cannot have its secrets cannot start, and then no worker should have been stopped for it.
    secrets = {spec.name: context.secrets_of(spec) for spec in step.start}
    with context.locks.of(context.key):
        # A look of the supervisor that began before this rollout is over: it starts no worker that is stopped here.
        gap_from = clock.monotonic()
    _stop(context, step.stop)
    for spec in step.start:
        context.world.runtime.start(spec, secrets[spec.name])
    gap = clock.monotonic() - gap_from if step.stop else 0.0
    if step.start:
        context.wait(SETTLE)
    for spec in step.start:
        _check_up(context, spec)
    return Done(text=f"gap {gap:.1f} s" if step.stop else "", facts={"gap_seconds": round(gap, 3)})


def undo(context: Context, step: Workers) -> None:
    """Stop the new workers, start the previous again."""
    _stop(context, step.start)
    for spec in step.start:
        context.world.runtime.remove(spec.name)
    for spec in step.stop:
        context.up(spec)


def _stop(context: Context, specs: tuple[InstanceSpec, ...]) -> None:
    for spec in specs:
        context.world.runtime.stop(spec.name, grace=spec.grace)


def _check_up(context: Context, spec: InstanceSpec) -> None:
    state = context.world.runtime.look(spec.name)
    if state is None or not state.running:
        raise LadingError(
            "start-failed",
            doing=f"start of worker {spec.label}",
            happened=f"it {fate_of(state)} within {SETTLE:g} s",
            details=context.last_words(spec),
            hint=f"lading logs {context.rollout.environment} {spec.service} --rollout {context.rollout.id}",
        )
