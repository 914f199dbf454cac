"""Remove what nobody may return to. A failed prune never fails a rollout."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from lading.engine.context import Context
from lading.engine.done import Done
from lading.engine.leftovers import leftovers
from lading.engine.world import World
from lading.model.plan import Fetch, Prune
from lading.model.release import Release, is_dirty

# Releases of a project kept in the store besides those an environment may return to: built, perhaps not yet deployed.
KEPT_RELEASES = 5

# The same of work trees, which change with every save; they are counted apart, as they must not crowd out releases.
KEPT_DIRTY = 2


def act(context: Context, step: Prune) -> Done:
    """Remove this environment's leftover instances and the stored bytes that no release to keep names."""
    removed = 0
    for spec in leftovers(context.world, context.record()):
        context.world.runtime.stop(spec.name, grace=spec.grace)
        context.world.runtime.remove(spec.name)
        removed += 1
    removed += _retire(context)
    keep = set(_names(context.world))
    freed = context.world.runtime.prune(keep) + context.world.store.prune(keep)
    text = f"{removed} instance{'' if removed == 1 else 's'}, {freed / 1e6:.1f} MB"
    return Done(text=text, facts={"instances": removed, "bytes": freed})


def _retire(context: Context) -> int:
    """End the backing services that neither what serves nor what stands by knows; return how many."""
    retired = 0
    # The supervisor starts what the record names.
    with context.locks.of(context.key):
        record = context.record()
        units = [unit for unit in (record.serving, record.standby) if unit is not None]
        wanted = {name for unit in units for name, service in unit.release.manifest.services.items() if service.image}
        # What belongs to no release's artifacts, such as a database's server, is kept.
        gone = {name: spec for name, spec in record.backing.items() if spec.artifact and name not in wanted}
        for spec in gone.values():
            context.world.runtime.stop(spec.name, grace=spec.grace)
            context.world.runtime.remove(spec.name)
            retired += 1
        if gone:
            kept = {name: spec for name, spec in record.backing.items() if name not in gone}
            context.world.journal.save_environment(msgspec.structs.replace(record, backing=kept))
    return retired


def _names(world: World) -> Iterator[str]:
    for release in _releases_to_keep(world):
        for artifact in release.artifacts:
            yield artifact.digest
            for layer in artifact.layers:
                yield layer.digest
                yield layer.diff_id
    for record in world.journal.environments():
        # What backs it may have been brought up without a release.
        for spec in record.backing.values():
            yield from (spec.artifact, *spec.layers.values())


def _releases_to_keep(world: World) -> Iterator[Release]:
    seen: Counter[tuple[str, bool]] = Counter()
    for release in world.journal.releases():
        dirty = is_dirty(release.version)
        seen[release.project, dirty] += 1
        if seen[release.project, dirty] <= (KEPT_DIRTY if dirty else KEPT_RELEASES):
            yield release
    for record in world.journal.environments():
        for unit in (record.serving, record.standby):
            if unit is not None:
                yield unit.release
        for number in record.history:
            rollout = world.journal.rollout(number)
            if rollout is not None and rollout.plan.unit is not None:
                yield rollout.plan.unit.release
    yield from _in_flight(world)


def _in_flight(world: World) -> Iterator[Release]:
    for rollout in world.journal.unfinished():
        yield from (step.release for step in rollout.plan.steps if isinstance(step, Fetch))
        if rollout.plan.unit is not None:
            yield rollout.plan.unit.release
    for run in world.journal.unfinished_runs():
        # It goes on to its end, whatever serves meanwhile.
        release = world.journal.release(run.project, run.release)
        if release is not None:
            yield release
