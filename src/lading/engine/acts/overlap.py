"""Runs of jobs that a rollout meets: none is cut, and what became of each is in the bill."""

from collections.abc import Sequence
from typing import Any

from lading.engine.context import Context
from lading.model.data_steps import Migrate
from lading.model.jobs import JobRun
from lading.model.plan import Cutover
from lading.model.rollout import Mark


def met(context: Context) -> dict[str, Any]:
    """Return the fact for an outcome which runs of the environment have not ended by now, none if there are none."""
    numbers = [run.id for run in context.unfinished_runs()]
    return {"runs": numbers} if numbers else {}


def text_of(facts: dict[str, Any]) -> str:
    """Say of what :func:`met` found how many runs go on, for the end of a line; empty when none does."""
    numbers = facts.get("runs", [])
    if not numbers:
        return ""
    named = ", ".join(str(number) for number in numbers)
    return f", {'run' if len(numbers) == 1 else 'runs'} {named} of jobs {'goes' if len(numbers) == 1 else 'go'} on"


def facts_of(context: Context, marks: Sequence[Mark]) -> dict[str, Any]:
    """Return what became of every run that was met.

    ``overlap_seconds`` is how long it went on beside the release that routes were moved to, ``held_seconds`` how long
    it stood still while a database was migrated, ``waited_seconds`` how long it could not begin for that.
    """
    told: dict[int, dict[str, Any]] = {}
    for mark in marks:
        if mark.phase != "outcome":
            continue
        for number in mark.result.get("runs", ()):
            run = context.run(number)
            if run is not None:
                entry = told.setdefault(number, {"run": number, "job": run.job, "release": run.release})
                entry.update({**_facts(context, mark, run), **entry})
                entry["ended"] = run.ending or "goes on"
    return {"jobs": list(told.values())} if told else {}


def _facts(context: Context, mark: Mark, run: JobRun) -> dict[str, Any]:
    now = context.world.clock.now()
    step = context.rollout.plan.steps[mark.step]
    if isinstance(step, Cutover):
        seconds = (run.finished or now) - max(mark.at, run.began or now)
        return {"overlap_seconds": _seconds(seconds)}
    assert isinstance(step, Migrate), "only what holds or switches meets runs"
    held = mark.result["held"]
    if run.began and run.began <= mark.at - held:
        return {"held_seconds": held}
    return {"waited_seconds": _seconds((run.began or run.finished or now) - max(run.created, mark.at - held))}


def _seconds(seconds: float) -> float:
    # A wall clock that was set back must not give a negative duration.
    return round(max(0.0, seconds), 3)
