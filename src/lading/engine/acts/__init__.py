"""One module a kind of step: ``act`` carries it out, ``undo`` takes it back where there is something to take back.

Both may be called again after a crash. The two tables below are all the engine knows of the kinds.
"""

from collections.abc import Callable
from typing import Any, Final

from lading.engine.acts import (
    attest,
    backing,
    canary,
    cutover,
    database,
    drain,
    dump,
    fetch,
    migrate,
    preflight,
    probing,
    prune,
    rehearse,
    smoke,
    start,
    stop,
    waiting,
    watch,
    workers,
)
from lading.model import data_steps, plan

ACTS: Final[dict[type, Callable[..., Any]]] = {
    plan.Preflight: preflight.act,
    plan.Fetch: fetch.act,
    data_steps.StartDatabase: database.act,
    data_steps.StartBacking: backing.act,
    data_steps.Dump: dump.act,
    data_steps.Rehearse: rehearse.act,
    data_steps.Migrate: migrate.act,
    plan.Stop: stop.act,
    plan.Start: start.act,
    plan.Health: waiting.act_health,
    plan.Ready: waiting.act_ready,
    plan.Smoke: smoke.act,
    plan.Probing: probing.act,
    plan.Canary: canary.act,
    plan.Cutover: cutover.act,
    plan.Workers: workers.act,
    plan.Watch: watch.act,
    plan.Drain: drain.act,
    plan.Attest: attest.act,
    plan.Prune: prune.act,
}

# What is missing here changed nothing that would have to be taken back.
UNDOS: Final[dict[type, Callable[..., Any]]] = {
    data_steps.StartDatabase: database.undo,
    data_steps.StartBacking: backing.undo,
    data_steps.Rehearse: rehearse.undo,
    data_steps.Migrate: migrate.undo,
    plan.Stop: stop.undo,
    plan.Start: start.undo,
    plan.Probing: probing.undo,
    plan.Canary: canary.undo,
    plan.Cutover: cutover.undo,
    plan.Workers: workers.undo,
}
