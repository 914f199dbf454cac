"""Migrate a database while whatever may write to it stands still; requests wait meanwhile, none is lost.

The hold is carried by somebody who outlives the agent (see :meth:`~lading.ports.runtime.Runtime.run_held`). An agent
that comes back asks for it by the same name, and gets what was decided.
"""

from typing import Any

from lading.engine.acts import migrate_server, overlap
from lading.engine.acts.rehearse import change_text, failed, how_it_ended
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.data_steps import Migrate, Rehearse, revision_text
from lading.model.errors import LadingError
from lading.ports.runtime import Held, HeldResult, Run

# Seconds between two looks at a hold that somebody else carries.
LOOK_EVERY = 0.1

# Seconds beyond its limit for which a hold that somebody else carries is waited for.
BEYOND = 600.0


def act(context: Context, step: Migrate) -> Done:
    """Run the command on the database itself, held; the copies are removed once it stands."""
    if step.login is not None:
        return migrate_server.act(context, step)
    rehearsed = _rehearsed(context, step)
    at = revision_text(tuple(rehearsed["after"]))
    if not rehearsed["changed"]:
        _discard(context, step)
        facts = {"database": step.database, "before": rehearsed["before"], "after": rehearsed["after"], "held": 0.0}
        return Done(text=f"at {at} already, nobody was held" if rehearsed["after"] else "nothing to do", facts=facts)
    result = _held(context, step)
    if result.outcome != "kept":
        raise _failure(context, step, result)
    before, after = tuple(rehearsed["before"]), _revision(context, step)
    _discard(context, step)
    facts = {"database": step.database, "before": before, "after": after, "held": result.held, **overlap.met(context)}
    return Done(text=f"{change_text(before, after)}, held {result.held:.2f} s", facts=facts)


def undo(context: Context, step: Migrate) -> Done:
    """Say where the database stands: what was migrated is left so, for it may have accepted writes since."""
    if step.login is not None:
        return migrate_server.undo(context, step)
    result = _settled(context, step)
    if result.outcome == "torn":
        raise _torn(context, step, result)
    now = _revision(context, step)
    at = f" at {revision_text(now)}" if now else ""
    facts = {"database": step.database, "before": step.at, "after": now, "held": result.held}
    if result.outcome == "kept":
        return Done(text=f"database {step.database} stays{at}: it may have accepted writes since", facts=facts)
    return Done(text=f"database {step.database} still{at or ' as it was'}", facts=facts)


def _rehearsed(context: Context, step: Migrate) -> dict[str, Any]:
    """Return what the rehearsal found; without one the database has to be where it was seen when it was planned."""
    for mark in reversed(context.marks()):
        planned = context.rollout.plan.steps[mark.step]
        if isinstance(planned, Rehearse) and planned.database == step.database and mark.phase == "outcome":
            return mark.result
    now = _revision(context, step)
    if step.rehearsed or set(now) != set(step.at):
        raise LadingError(
            "migration-failed",
            doing=f"migration of {step.database}",
            happened=f"the database is at {revision_text(now)}, and was at {revision_text(step.at)} when planned",
            now=f"the database was not touched, {context.serving_now()}",
            hint=f"lading deploy {context.rollout.environment}",
        )
    return {"before": now, "after": now, "changed": False}


def _held(context: Context, step: Migrate) -> HeldResult:
    rollout, world = context.rollout, context.world
    place = world.databases.custody(rollout.project, rollout.environment, step.database, rollout.id)
    run = Run(name=step.spec.name, spec=step.spec, timeout=step.limit)
    held = Held(name=step.spec.name, run=run, place=place, limit=step.limit)
    context.progress(f"{step.spec.command}; requests wait meanwhile")
    # Nobody may start an instance, or move a route to one, while those there are stand still.
    with context.locks.of(context.key):
        return world.runtime.run_held(held, context.secrets_of(step.spec))


def _settled(context: Context, step: Migrate) -> HeldResult:
    """Wait until the hold has come to its end, whoever carries it."""
    clock = context.world.clock
    deadline = clock.monotonic() + step.limit + BEYOND
    while (result := context.world.runtime.settle(step.spec.name)) is None:
        if clock.monotonic() >= deadline:
            raise LadingError("step-failed", happened=f"the hold {step.spec.name} does not come to its end")
        clock.wait(LOOK_EVERY, lambda: False)
    return result


def _failure(context: Context, step: Migrate, result: HeldResult) -> LadingError:
    if result.outcome == "torn":
        return _torn(context, step, result)
    happened = result.reason or how_it_ended(result.exit_status)
    if result.exit_status is not None:
        happened = f"{step.spec.command} {how_it_ended(result.exit_status)}, though it went well on a copy"
    error = failed(context, f"migration of {step.database}", f"{happened} (held {result.held:.2f} s)", result.output)
    return error


def _torn(context: Context, step: Migrate, result: HeldResult) -> LadingError:
    place = context.world.databases.custody(
        context.rollout.project, context.rollout.environment, step.database, context.rollout.id
    )
    return LadingError(
        "stuck",
        doing=f"migration of {step.database}",
        happened=f"it failed, and the database is as the migration left it: {result.reason}",
        now=f"its copy from before is {place.saved}; {context.serving_now()}, on what the migration left",
        hint="look at the database; to go back: lading agent stop, put the copy in its place, lading status",
    )


def _revision(context: Context, step: Migrate) -> tuple[str, ...]:
    rollout = context.rollout
    return context.world.databases.revision(rollout.project, rollout.environment, step.database)


def _discard(context: Context, step: Migrate) -> None:
    rollout = context.rollout
    context.world.databases.discard(rollout.project, rollout.environment, step.database, rollout.id)
