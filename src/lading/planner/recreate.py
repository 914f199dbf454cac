"""The strategy ``recreate``, for programs of which only one may run: stop, then start; requests wait meanwhile."""

from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.plan import Step, Stop, Workers
from lading.planner import parts


def steps(
    unit: Pinned, record: EnvironmentRecord, *, back_to_earlier: bool, migrations: tuple[Step, ...] = ()
) -> tuple[Step, ...]:
    """Return the steps to bring an environment to ``unit`` with no instance of the previous release beside it.

    Whatever can be done while the previous release serves is done before it is stopped. Nothing of it is kept up for
    the way back: going back is the same in the other direction.
    """
    stop = _stop(unit, record)
    return (
        *parts.prepare(unit, migrations, warm=False),
        *parts.switch(
            unit,
            record,
            back_to_earlier=back_to_earlier,
            before=(*((stop,) if stop is not None else ()), *parts.candidate(unit, warm=False)),
            alone=stop is not None,
        ),
        *((Workers(stop=(), start=unit.workers),) if unit.workers else ()),
        *parts.verify(unit, record),
        *parts.conclude(unit),
    )


def _stop(unit: Pinned, record: EnvironmentRecord) -> Stop | None:
    """Return the step that ends whatever of other releases runs: what serves, and what stands by from a time before."""
    serving = record.serving
    if serving is None:
        return None
    standby = record.standby.instances if record.standby is not None else ()
    instances = (*serving.instances, *(spec for spec in standby if spec not in serving.instances))
    return Stop(instances=instances, unit=serving, limit=unit.configuration.table.strategy.hold)
