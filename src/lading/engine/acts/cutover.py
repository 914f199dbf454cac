"""Move all routes of an environment in one act."""

import msgspec

from lading.engine.acts import moving, overlap, stop
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.errors import LadingError
from lading.model.plan import Cutover, Stop


def act(context: Context, step: Cutover) -> Done:
    """Route to the new unit, confirmed, and make it what serves in the same commit as the outcome."""
    if step.to.web:
        _check_alive(context, step)
    moving.route(context, step.to)
    gap = {"gap_seconds": stop.gap_until_now(context)} if step.alone else {}
    runs = overlap.met(context)
    before = step.back.release.version if step.back is not None else "nothing"
    record = msgspec.structs.replace(
        moving.reached_as(context.record(), step.to),
        serving=msgspec.structs.replace(step.to, since=context.world.clock.now()),
        standby=None if step.alone else step.back,
        standby_until=0.0,
        history=step.history_after,
    )
    waited = f", gap {gap['gap_seconds']:.1f} s" if gap else ""
    text = f"{before} → {step.to.release.version}{waited}{overlap.text_of(runs)}"
    return Done(text=text, facts={**gap, **runs}, record=record)


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
    """Route back to the previous unit, whose instances are still up (or are started again), or to nothing.

    Where both may not run beside each other, requests wait instead until the previous unit is up again.
    """
    back = step.back
    if step.alone and back is not None:
        moving.hold(context, back, _limit(context))
        text = f"{step.to.release.version} is left, requests wait"
    else:
        for spec in back.web if back is not None else ():
            moving.raise_up(context, spec)
        moving.route(context, back)
        text = f"{back.release.version if back else 'nothing'} serves again"
    runs = overlap.met(context)
    text += overlap.text_of(runs)
    record = context.record()
    if record.serving is None or record.serving.rollout != step.to.rollout:
        # It never was what serves: whatever stood by before still does.
        return Done(text=text, facts=runs)
    if back is not None:
        record = moving.reached_as(record, back)
    record = msgspec.structs.replace(record, serving=back, standby=None, standby_until=0.0, history=step.history)
    return Done(text=text, facts=runs, record=record)


def _limit(context: Context) -> float:
    return next(step.limit for step in context.rollout.plan.steps if isinstance(step, Stop))
