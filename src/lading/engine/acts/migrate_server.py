"""Migrate a database that has a server: once, by Lading, before the candidate starts; requests go on meanwhile.

Nothing is frozen and nothing restored: the server's own transactions see to it that a migration that fails leaves no
half of a step behind. A statement waits for a lock no longer than requests may wait behind it.
"""

from typing import Any

from lading.engine import resolving
from lading.engine.acts.rehearse import LAST_LINES, LONGEST_LINE, change_text, how_it_ended, without_tracebacks
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.data_steps import Dump, Migrate, revision_text
from lading.model.errors import LadingError
from lading.ports.runtime import Run, RunResult

LONGEST = 6 * 3600.0  # seconds a migration may take


def act(context: Context, step: Migrate) -> Done:
    """Run the command, unless the database is at the release's heads; a run that an agent died over is joined."""
    before = _revision(context, step)
    if step.heads and set(before) == set(step.heads):
        facts = {"database": step.database, "before": before, "after": before, "held": 0.0}
        return Done(text=f"at {revision_text(before)} already", facts=facts)
    context.progress(f"{step.spec.command}; requests go on meanwhile")
    run = Run(name=step.spec.name, spec=step.spec, timeout=LONGEST)
    result = context.world.runtime.run(run, context.secrets_of(step.spec))
    after = _revision(context, step)
    if result.exit_status != 0:
        raise _failed(context, step, result, (_before(context, step) or before, after))
    # An agent may have died after the migration: the dump says where the database was before.
    before = _before(context, step) or before
    facts = {"database": step.database, "before": before, "after": after, "held": 0.0}
    return Done(text=change_text(before, after), facts=facts)


def undo(context: Context, step: Migrate) -> Done:
    """Say where the database stands: it is left so, for it may have accepted writes since."""
    try:
        now = _revision(context, step)
    except LadingError as error:
        # There is nothing to take back, so a server that is down now keeps nobody from unwinding.
        return Done(text=f"database {step.database} is left as it is: {error.happened}", facts={})
    before = _before(context, step) or step.at
    facts = {"database": step.database, "before": before, "after": now, "held": 0.0}
    where = f"database {step.database} is at {revision_text(now)}" if now else f"database {step.database}"
    if set(now) == set(before):
        return Done(text=f"{where}, as before", facts=facts)
    return Done(text=f"{where}, and stays so: it may have accepted writes since{_kept(context, step)}", facts=facts)


def _failed(
    context: Context, step: Migrate, result: RunResult, change: tuple[tuple[str, ...], tuple[str, ...]]
) -> LadingError:
    before, after = change
    lines = without_tracebacks([line for line in result.output.splitlines() if line.strip()])
    same = ", as before" if set(after) == set(before) else f", and was at {revision_text(before)} before"
    return LadingError(
        "migration-failed",
        doing=f"migration of {step.database}",
        happened=f"{step.spec.command} {how_it_ended(result.exit_status)}",
        now=f"database {step.database} is at {revision_text(after)}{same}{_kept(context, step)}; "
        f"{context.serving_now()}",
        hint="mend the migration, commit, and release it under a new version",
        details=tuple(line[:LONGEST_LINE] for line in lines[-LAST_LINES:]),
    )


def _dumped(context: Context, step: Migrate) -> dict[str, Any]:
    """Return what the dump from before told, nothing if none was made."""
    for mark in reversed(context.marks()):
        planned = context.rollout.plan.steps[mark.step]
        if isinstance(planned, Dump) and planned.database == step.database and mark.phase == "outcome":
            return mark.result
    return {}


def _before(context: Context, step: Migrate) -> tuple[str, ...]:
    return tuple(_dumped(context, step).get("revision", ()))


def _kept(context: Context, step: Migrate) -> str:
    place = _dumped(context, step).get("dump")
    return f" (its dump from before: {place})" if place else ""


def _revision(context: Context, step: Migrate) -> tuple[str, ...]:
    if step.login is None:
        raise LadingError("unexpected", happened=f"database {step.database} has no server")
    return context.world.servers.revision(resolving.url_of(context.world, context.key, step.login))
