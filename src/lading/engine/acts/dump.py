"""Keep a copy of a database that has a server, as it is before its migration."""

from lading.engine import resolving
from lading.engine.acts.rehearse import failed
from lading.engine.context import Context
from lading.engine.done import Done
from lading.model.data_steps import Dump, revision_text
from lading.ports.runtime import Run

LONGEST = 6 * 3600.0  # seconds that writing a large database down may take


def act(context: Context, step: Dump) -> Done:
    """Write the database down, unless it is at the release's heads already; requests go on meanwhile."""
    rollout, world = context.rollout, context.world
    at = world.servers.revision(resolving.url_of(world, context.key, step.login))
    if step.heads and set(at) == set(step.heads):
        return Done(text=f"at {revision_text(at)} already, nothing to keep", facts={"database": step.database})
    run = Run(name=step.spec.name, spec=step.spec, timeout=LONGEST)
    result = world.runtime.run(run, context.secrets_of(step.spec))
    if result.exit_status != 0:
        raise failed(context, f"dump of {step.database}", _why(result.exit_status), result.output)
    kept = world.servers.keep(rollout.project, rollout.environment, step.database, rollout.id, result.outputs)
    return Done(
        text=f"{kept.rpartition('/')[2]} kept, at {revision_text(at)}",
        facts={"database": step.database, "dump": kept, "revision": at},
    )


def _why(exit_status: int | None) -> str:
    return "pg_dump did not end in time" if exit_status is None else f"pg_dump ended with status {exit_status}"
