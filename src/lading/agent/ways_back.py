"""The units that an environment may return to: from its record and its rollouts."""

from collections.abc import Iterator

from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.errors import LadingError


def way_back(world: World, record: EnvironmentRecord, version: str | None) -> Pinned:
    """Return the unit to go back to: the newest way back or, by name, the newest of that version."""
    units = list(_history(world, record))
    if version is not None and record.standby is not None:
        # What was left by a rollback may still stand by: one returns to it by name, never by just going back.
        units.append(record.standby)
    for unit in units:
        if version in (None, unit.release.version):
            return unit
    known = ", ".join(unit.release.version for unit in units) or "nothing"
    raise LadingError(
        "nothing-to-return-to",
        doing=f"rollback of {record.name}",
        happened=f"{version} never served here or was pruned" if version else "there is no earlier release",
        now=f"{record.name} serves {record.serving.release.version if record.serving else 'nothing'}; kept: {known}",
        hint=f"lading deploy {record.name} VERSION, for any other release; lading history {record.name} names them",
    )


def _history(world: World, record: EnvironmentRecord) -> Iterator[Pinned]:
    for number in record.history:
        rollout = world.journal.rollout(number)
        if rollout is not None and rollout.plan.unit is not None:
            yield rollout.plan.unit
