"""The strategy ``blue-green``: start beside, check, switch all routes at once, watch, keep the way back up."""

from collections.abc import Iterator

from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.plan import Drain, Step, Workers
from lading.planner import parts


def steps(
    unit: Pinned, record: EnvironmentRecord, *, back_to_earlier: bool, warm: bool, migrations: tuple[Step, ...] = ()
) -> tuple[Step, ...]:
    """Return the steps to bring an environment to ``unit``.

    ``back_to_earlier`` marks a rollback: the unit leaves the ways back instead of adding one. ``warm`` says that all of
    its instances still run and passed their checks in that very process: then ready is asked again and the suite
    runs through the router right after the switch instead of before it, so that going back is a route change.
    ``migrations`` go before the candidate is started, which finds the schema it was made for.
    """
    return (
        *parts.prepare(unit, migrations, warm=warm),
        *parts.candidate(unit, warm=warm),
        *parts.switch(unit, record, back_to_earlier=back_to_earlier),
        *hand_over(unit, record),
        *parts.verify(unit, record),
        *drain(unit, record),
        *parts.conclude(unit),
    )


def hand_over(unit: Pinned, record: EnvironmentRecord) -> Iterator[Step]:
    """Yield the step in which the new workers take over from the previous ones."""
    serving = record.serving
    if unit.workers or (serving is not None and serving.workers):
        yield Workers(stop=serving.workers if serving is not None else (), start=unit.workers)


def drain(unit: Pinned, record: EnvironmentRecord) -> Iterator[Step]:
    """Yield the step in which the previous instances finish, and are kept for the way back."""
    strategy = unit.configuration.table.strategy
    if record.serving is not None and record.serving.web:
        yield Drain(instances=record.serving.web, limit=strategy.drain_limit, keep=strategy.keep_previous)
