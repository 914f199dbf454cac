"""Count lost requests from before the cutover until the drain ends."""

from collections.abc import Sequence
from typing import Any

from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.plan import Probing
from lading.model.rollout import Mark
from lading.ports.prober import ProbeCount, ProbeTarget


def act(context: Context, step: Probing) -> Done:
    """Start asking through the router."""
    base_url, host = context.world.router.probe_address(context.key)
    passing = context.world.router.pass_for(context.key)
    target = ProbeTarget(
        base_url=base_url, host=host or step.host, path=step.path, per_second=step.per_second, passing=passing
    )
    context.world.prober.start(prober_name(context), target)
    return Done(text=f"{base_url}{step.path}")


def undo(context: Context, step: Probing) -> None:
    """Stop asking; what was counted is kept for the bill."""
    stop(context)


def stop(context: Context) -> ProbeCount:
    """Stop the rollout's prober and return its count; calling it again returns the same."""
    return context.world.prober.stop(prober_name(context))


def count(context: Context) -> ProbeCount:
    """Return what the rollout's prober has counted so far in this life of the agent."""
    return context.world.prober.count(prober_name(context))


def final(context: Context, marks: Sequence[Mark]) -> dict[str, Any]:
    """Stop the prober and return its count as facts; a count that is in the journal already stands."""
    for mark in reversed(marks):
        if mark.phase == "outcome" and "lost_requests" in mark.result:
            return {name: mark.result[name] for name in ("requests", "lost_requests", "slowest_seconds")}
    counted = stop(context)
    return {"requests": counted.requests, "lost_requests": counted.lost, "slowest_seconds": round(counted.slowest, 3)}


def prober_name(context: Context) -> str:
    """Return the name under which a rollout's prober runs."""
    return f"{context.key}/r{context.rollout.id}"
