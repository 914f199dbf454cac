"""Start instances beside what serves."""

import logging

from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.leftovers import kept_instances
from lading.model.environment import InstanceSpec
from lading.model.plan import Start

log = logging.getLogger(__name__)


def act(context: Context, step: Start) -> Done:
    """Start every instance; those that already run (resumed, or kept for the way back) are left as they are."""
    limits = ""
    for spec in step.instances:
        state = context.up(spec)
        limits = state.limits or limits
    return Done(text=step.detail, facts={"instances": [spec.name for spec in step.instances], "limits": limits})


def _ended(context: Context, spec: InstanceSpec) -> str:
    try:
        state = context.world.runtime.look(spec.name)
    except Exception:
        # What is only nice to know must not keep what has to go.
        log.info("of what %s died cannot be seen", spec.name, exc_info=True)
        return ""
    return state.ended if state is not None else ""


def undo(context: Context, step: Start) -> Done | None:
    """Remove what this rollout started; what serves or is kept for the way back stays. Tell of what it died, if known.

    Nobody may be kept waiting for that before the way back is taken, so it is told here.
    """
    kept = kept_instances(context.record())
    died = []
    for spec in step.instances:
        if spec.name not in kept:
            died += [f"{spec.label} {of_what}"] if (of_what := _ended(context, spec)) else []
            context.world.runtime.stop(spec.name, grace=spec.grace)
            context.world.runtime.remove(spec.name)
    return Done(text="; ".join((step.undo_text, *died))) if died else None
