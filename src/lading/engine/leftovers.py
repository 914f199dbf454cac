"""Instances of an environment that neither serve nor stand by: what a crashed or finished rollout left running."""

import re
from collections.abc import Iterator

from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, InstanceSpec

_ROLLOUT = re.compile(r"-r(\d+)-")


def kept_instances(record: EnvironmentRecord) -> set[str]:
    """Return the names of the instances that serve or stand by."""
    units = [unit for unit in (record.serving, record.standby) if unit is not None]
    return {spec.name for unit in units for spec in unit.instances}


def leftovers(world: World, record: EnvironmentRecord) -> Iterator[InstanceSpec]:
    """Yield the instances the runtime still knows that belong to this environment and to none of its units.

    Whose an instance is, is read from the plan of the rollout that named it: names alone can be ambiguous
    (``shop-stage-r1-…`` may be of project ``shop`` or of ``shop-stage``).
    """
    kept = kept_instances(record)
    for state in world.runtime.list():
        if state.name not in kept and state.name.startswith(f"{record.project}-{record.name}-r"):
            yield from _spec_of(world, record, state.name)


def _spec_of(world: World, record: EnvironmentRecord, name: str) -> Iterator[InstanceSpec]:
    for number in _ROLLOUT.findall(name):
        rollout = world.journal.rollout(int(number))
        unit = rollout.plan.unit if rollout is not None else None
        if rollout is None or unit is None or (rollout.project, rollout.environment) != (record.project, record.name):
            continue
        yield from (spec for spec in unit.instances if spec.name == name)
