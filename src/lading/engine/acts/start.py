"""Start instances beside what serves."""

from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.leftovers import kept_instances
from lading.model.plan import Start


def act(context: Context, step: Start) -> Done:
    """Start every instance; those that already run (resumed, or kept for the way back) are left as they are."""
    limits = ""
    for spec in step.instances:
        state = context.up(spec)
        limits = state.limits or limits
    return Done(text=step.detail, facts={"instances": [spec.name for spec in step.instances], "limits": limits})


def undo(context: Context, step: Start) -> None:
    """Remove what this rollout started; what serves or is kept for the way back stays."""
    kept = kept_instances(context.record())
    for spec in step.instances:
        if spec.name not in kept:
            context.world.runtime.stop(spec.name, grace=spec.grace)
            context.world.runtime.remove(spec.name)
