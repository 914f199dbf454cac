"""The strategy ``canary``: start beside, check, take over share by share, each compared with the previous release."""

from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.plan import Canary, Step
from lading.planner import blue_green, parts

# Shares of the requests, where the environment does not say.
SHARES = (0.1, 0.5)


def steps(unit: Pinned, record: EnvironmentRecord, *, migrations: tuple[Step, ...] = ()) -> tuple[Step, ...]:
    """Return the steps to bring an environment to ``unit``; all at once where nothing serves that could share."""
    return (
        *parts.prepare(unit, migrations, warm=False),
        *parts.candidate(unit, warm=False),
        *parts.switch(unit, record, back_to_earlier=False, before=_shares(unit, record)),
        *blue_green.hand_over(unit, record),
        *parts.verify(unit, record),
        *blue_green.drain(unit, record),
        *parts.conclude(unit),
    )


def shares_with(unit: Pinned, record: EnvironmentRecord) -> bool:
    """Tell whether there is somebody to share the requests with."""
    return bool(unit.web) and record.serving is not None and bool(record.serving.web)


def _shares(unit: Pinned, record: EnvironmentRecord) -> tuple[Step, ...]:
    previous = record.serving
    if previous is None or not shares_with(unit, record):
        return ()
    strategy = unit.configuration.table.strategy
    held = strategy.canary_for if strategy.canary_for is not None else parts.WATCH[unit.configuration.tier]
    return tuple(
        Canary(
            share=share,
            seconds=held,
            errors=strategy.errors,
            latency=strategy.latency,
            drain_limit=strategy.drain_limit,
            unit=unit,
            previous=previous,
        )
        for share in strategy.canary or SHARES
    )
