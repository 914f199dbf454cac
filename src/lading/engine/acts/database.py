"""See that a database's server runs and answers; it is kept from release to release."""

import msgspec

from lading.engine import resolving
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model import server
from lading.model.data_steps import StartDatabase
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError

LOOK_EVERY = 0.1  # seconds between two tries to log in


def act(context: Context, step: StartDatabase) -> Done:
    """Start the server unless it runs, wait until it lets the programs' user in, and note it as the environment's."""
    spec = step.spec
    if spec is not None:
        _check_major(context, step, spec)
        _remove_another(context, step, spec)
        context.up(spec)
    kept_back = _await(context, step)
    if kept_back:
        context.warn(f"{step.login.user} may still do everything on database {step.database}: {kept_back}")
    if spec is None:
        return Done(text="it answers")
    # Only now: a server that never answered may have died while it made its files, and is made anew the next time.
    _note(context, step.database, spec)
    state = context.world.runtime.look(spec.name)
    return Done(text=f"{spec.image} answers", facts={"limits": state.limits if state is not None else ""})


def undo(context: Context, step: StartDatabase) -> Done | None:
    """Remove a server that never became the environment's; what is in its files is nothing anybody keeps.

    The next rollout makes such files anew, in a place of its own, and must not find this one running on others.
    """
    if step.spec is None or step.database in context.record().backing:
        return None
    context.world.runtime.remove(step.spec.name)
    return Done(text=f"database {step.database} is made anew the next time: it had not let anybody in yet")


def _note(context: Context, name: str, spec: InstanceSpec) -> None:
    record = context.record()
    if record.backing.get(name) != spec:
        context.world.journal.save_environment(msgspec.structs.replace(record, backing={**record.backing, name: spec}))


def _remove_another(context: Context, step: StartDatabase, spec: InstanceSpec) -> None:
    """Remove what a rollout that got stuck left: it never became the environment's, and its files lie elsewhere."""
    state = context.world.runtime.look(spec.name)
    if step.database in context.record().backing or state is None:
        return
    if state.started < context.rollout.created:
        context.world.runtime.remove(spec.name)


def _check_major(context: Context, step: StartDatabase, spec: InstanceSpec) -> None:
    known = context.record().backing.get(step.database)
    if known is None or server.major_of(known.image) == server.major_of(spec.image):
        return
    raise LadingError(
        "database-failed",
        doing=f"starting database {step.database}",
        happened=f"its data is of {known.image}, and {spec.image} cannot read that",
        now=f"the database is as it was, {context.serving_now()}",
        hint=f'version = "{server.major_of(known.image)}" in [databases.{step.database}]; to change it, dump and '
        "restore the data into a database of another name",
    )


def _await(context: Context, step: StartDatabase) -> str:
    """Wait until the programs' user gets in; return what kept the server from being handed over, empty for nothing."""
    clock = context.world.clock
    deadline = clock.monotonic() + step.within
    while True:
        trouble, kept_back = _tried(context, step)
        if not trouble:
            return kept_back
        if clock.monotonic() >= deadline:
            raise _failed(context, step, f"it let nobody in within {step.within:g} s: {trouble}")
        if step.spec is not None and not _runs(context, step.spec):
            raise _failed(context, step, f"it ended at once: {trouble}")
        context.progress(trouble)
        context.wait(LOOK_EVERY)


def _tried(context: Context, step: StartDatabase) -> tuple[str, str]:
    """Return why nobody gets in, and what kept a server that lets people in from being handed over."""
    world = context.world
    try:
        url = resolving.url_of(world, context.key, step.login)
        kept_back = ""
        if step.admin is not None:
            kept_back = world.servers.hand_over(url, resolving.url_of(world, context.key, step.admin))
        return world.servers.trouble(url), kept_back
    except LadingError as error:
        if error.code != "database-failed":
            raise
        return error.happened, ""


def _runs(context: Context, spec: InstanceSpec) -> bool:
    state = context.world.runtime.look(spec.name)
    return state is not None and state.running


def _failed(context: Context, step: StartDatabase, happened: str) -> LadingError:
    words = context.last_words(step.spec) if step.spec is not None else ()
    environment = context.rollout.environment
    hint = f"lading secrets set {environment} {step.login.secret}" if step.spec is None else "lading doctor"
    return LadingError(
        "database-failed",
        doing=f"waiting for database {step.database}",
        happened=happened,
        now=context.serving_now(),
        hint=hint,
        details=words,
    )
