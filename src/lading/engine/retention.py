"""How long output and files of runs are kept on the host."""

import msgspec

from lading.engine.patience import patiently
from lading.engine.world import World
from lading.model.jobs import JobRun
from lading.ports.runtime import Run

# Runs of one job in one environment whose output and files are kept.
KEPT_RUNS = 20


def retire(world: World, run: JobRun) -> None:
    """Drop output and files of the runs of a job that too many later ones have followed.

    What is still to be sent to a store stays, however many have followed; it is dropped once it is there.
    """
    found = world.journal.runs(run.project, run.environment, run.job, limit=10 * KEPT_RUNS)
    ended = [one for one in found if one.spec is not None and one.ending is not None]
    newest = {one.id for one in ended[:KEPT_RUNS]}
    # One that took very long to be sent is among the newest no more.
    for old in {one.id: one for one in (*ended, run)}.values():
        if old.id not in newest and old.kept and not old.is_unsent:
            world.runtime.drop_run(asked(old))
            patiently(world.clock, lambda old=old: world.journal.change_run(old.id, _dropped))  # type: ignore[misc]


def _dropped(run: JobRun) -> JobRun:
    return msgspec.structs.replace(run, kept=False)


def asked(run: JobRun) -> Run:
    """Return what a runtime is asked for a run of a job."""
    assert run.spec is not None, "what was missed was never asked of a runtime"
    return Run(name=run.name, spec=run.spec, args=run.args, timeout=run.timeout)
