"""Stop the previous release before the new one starts: one writer at a time; requests wait meanwhile."""

from typing import Any

from lading.engine.acts import moving
from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.routes import gap_generation
from lading.model.environment import InstanceSpec
from lading.model.plan import Cutover, Stop
from lading.model.rollout import Mark

# Seconds between letting requests wait and the stop signal: what the router sent just before is still on its way.
FLOOR = 0.1


def act(context: Context, step: Stop) -> Done:
    """Let requests wait, then stop every instance of what serves, each within its grace."""
    # First: what cannot have its secrets cannot start, and neither release should be stopped for that.
    for spec in (*_candidate(context), *step.unit.instances):
        context.secrets_of(spec)
    moving.hold(context, step.unit, step.limit)
    context.wait(FLOOR)
    for spec in step.instances:
        context.world.runtime.stop(spec.name, grace=spec.grace)
    return Done(text=f"{step.unit.release.version} stopped{', requests wait' if step.unit.web else ''}")


def _candidate(context: Context) -> tuple[InstanceSpec, ...]:
    unit = context.rollout.plan.unit
    return unit.instances if unit is not None else ()


def undo(context: Context, step: Stop) -> Done:
    """Start the previous release again, wait until it is ready, and let it answer those who wait."""
    for spec in step.unit.instances:
        context.up(spec)
    for spec in step.unit.web:
        moving.await_ready(context, spec)
    moving.route(context, step.unit)
    seconds = _seconds_since(context, context.marks())
    return Done(text=f"{step.unit.release.version} serves again, gap {seconds:.1f} s", facts={"gap_seconds": seconds})


def gap_until_now(context: Context) -> float:
    """Return for how many seconds nothing has answered, measured from just before requests began to wait."""
    return _seconds_since(context, context.marks())


def facts_of(context: Context) -> dict[str, Any]:
    """Return what a rollout without overlap cost: seconds of the gap, who waited in it, who was told to try again."""
    plan, marks = context.rollout.plan, context.marks()
    gaps = [mark.result["gap_seconds"] for mark in marks if _ends_a_gap(plan.steps[mark.step], mark)]
    if not gaps:
        return {}
    counted = context.world.router.counters(context.key, gap_generation(context.rollout.id))
    return {"gap_seconds": round(sum(gaps), 3), "waited": counted.requests, "turned_away": counted.errors}


def _ends_a_gap(step: object, mark: Mark) -> bool:
    return isinstance(step, Cutover | Stop) and mark.phase == "outcome" and "gap_seconds" in mark.result


def _seconds_since(context: Context, marks: Any) -> float:
    """Return the seconds since the last moment at which requests began to wait; a wall clock may have been set back."""
    steps = context.rollout.plan.steps
    began = [mark.at for mark in marks if mark.phase == "intent" and _begins_a_gap(steps[mark.step], mark)]
    return round(max(0.0, context.world.clock.now() - began[-1]), 3) if began else 0.0


def _begins_a_gap(step: object, mark: Mark) -> bool:
    if isinstance(step, Stop):
        return mark.direction == "forward"
    return isinstance(step, Cutover) and step.alone and mark.direction == "unwinding"
