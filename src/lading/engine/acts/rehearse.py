"""Run a migration on a copy of its database: one that fails is known before anybody is held."""

import msgspec

from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.canonical import digest_of
from lading.model.data_steps import Rehearse, revision_text
from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.ports.runtime import Run

# Seconds for which one that takes too long goes on, so that it can be said how long it takes.
BEYOND_LIMIT = 60.0

# Lines of a failed migration's output that are shown: tools say what is wrong at the end, after a traceback.
LAST_LINES = 8
LONGEST_LINE = 300  # characters of one that are shown


def act(context: Context, step: Rehearse) -> Done:
    """Copy the database while it is used, run the command on the copy, and look at what came of it."""
    rollout, databases = context.rollout, context.world.databases
    names = (rollout.project, rollout.environment, step.database)
    before = databases.revision(*names)
    database = _database(context, step.database)
    url = databases.rehearse(*names, database, rollout.id)
    spec = msgspec.structs.replace(step.spec, databases={**step.spec.databases, **database.variables(url)})
    context.check_cancelled()
    # Named by its copy: a rehearsal that an agent died over may go on, on a copy that nobody looks at any more.
    name = f"{spec.name}-rehearsal-{digest_of(url)[-8:]}"
    run = Run(name=name, spec=spec, timeout=step.limit + BEYOND_LIMIT)
    result = context.world.runtime.run(run, context.secrets_of(spec))
    if result.exit_status != 0:
        raise failed(
            context,
            f"rehearsal of {step.database}",
            f"{spec.command} {how_it_ended(result.exit_status)} on a copy of the database",
            result.output,
        )
    if result.seconds > step.limit:
        raise _too_long(context, step, result.seconds)
    found = databases.judge(*names, rollout.id)
    facts = {"database": step.database, "before": before, "after": found.revision, "changed": found.changed}
    return Done(text=_text(before, found.revision, changed=found.changed), facts=facts)


def undo(context: Context, step: Rehearse) -> Done:
    """Remove the copies."""
    rollout = context.rollout
    context.world.databases.discard(rollout.project, rollout.environment, step.database, rollout.id)
    return Done()


def _text(before: tuple[str, ...], after: tuple[str, ...], *, changed: bool) -> str:
    if not changed:
        return f"nothing to do{f', at {revision_text(after)} already' if after else ''}"
    return f"{change_text(before, after)} on a copy, whole"


def change_text(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    """Return what became of a revision, in a line; what is the same on both sides is left out of it."""
    if not before and not after:
        return "migrated"
    kept = set(before) & set(after)
    old = tuple(revision for revision in before if revision not in kept)
    new = tuple(revision for revision in after if revision not in kept)
    if not old and not new:
        return f"{revision_text(after)} stays"
    if kept and not old:
        # Django notes every migration ever applied: the new ones are what is worth a line.
        return f"+ {revision_text(new)}"
    return f"{revision_text(old or tuple(sorted(kept)))} → {revision_text(new or tuple(sorted(kept)))}"


def how_it_ended(exit_status: int | None) -> str:
    """Say how a run that did not end well ended."""
    if exit_status is None:
        return "did not end in time"
    return f"was killed by signal {-exit_status}" if exit_status < 0 else f"ended with status {exit_status}"


def failed(context: Context, doing: str, happened: str, output: str) -> LadingError:
    """Return the error of a migration that failed, with the last lines it wrote."""
    lines = without_tracebacks([line for line in output.splitlines() if line.strip()])
    return LadingError(
        "migration-failed",
        doing=doing,
        happened=happened,
        now=f"the database is as it was, {context.serving_now()}",
        hint="mend the migration, commit, and release it under a new version",
        details=tuple(line[:LONGEST_LINE] for line in lines[-LAST_LINES:]),
    )


def without_tracebacks(lines: list[str]) -> list[str]:
    """Return the lines but those of Python's tracebacks that say where; what is said there comes after them."""
    kept, inside = [], False
    for line in lines:
        inside = line.startswith("Traceback ") or (inside and line.startswith(" "))
        if not inside:
            kept.append(line)
    return kept or lines


def _too_long(context: Context, step: Rehearse, seconds: float) -> LadingError:
    return LadingError(
        "migration-failed",
        doing=f"rehearsal of {step.database}",
        happened=f"{step.spec.command} took {seconds:.1f} s on a copy, and requests may wait {step.limit:g} s",
        now=f"the database was not touched, {context.serving_now()}",
        hint=f'strategy = {{ hold = "…" }} in [environments.{context.rollout.environment}], or a shorter migration',
    )


def _database(context: Context, name: str) -> Database:
    unit = context.rollout.plan.unit
    if unit is None:
        raise LadingError("unexpected", happened=f"rollout {context.rollout.id} leads to no release")
    return unit.release.manifest.databases[name]
