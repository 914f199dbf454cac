"""The strategy ``blue-green``: start beside, check, switch all routes at once, watch, keep the way back up."""

from collections.abc import Iterator

from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.paths import prober_path
from lading.model.plan import (
    Attest,
    Cutover,
    Drain,
    Fetch,
    Health,
    Preflight,
    Probing,
    Prune,
    Ready,
    Smoke,
    Start,
    Step,
    Watch,
    Workers,
)

# Requests a second the prober sends through the router: a loss of 20 ms shows, the cost stays under 3 % of a core.
PROBER_RATE = 50.0

# Seconds of watching where the environment does not say.
WATCH = {"local": 1.0, "stage": 5.0, "production": 60.0}

# How many earlier units an environment can return to.
WAYS_BACK = 5


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
        *_before(unit, migrations, warm=warm),
        *_traffic(unit, record, back_to_earlier=back_to_earlier),
        *_after(unit, record),
    )


def _before(unit: Pinned, migrations: tuple[Step, ...], *, warm: bool) -> Iterator[Step]:
    suite = unit.release.manifest.smoke
    yield Preflight(release=unit.release, configuration=unit.configuration)
    if not warm:
        yield Fetch(release=unit.release)
    yield from migrations
    if not unit.web:
        if suite:
            yield Smoke(where="candidate", suite=suite, unit=unit)
        return
    yield Start(instances=unit.web)
    if not warm and any(spec.health for spec in unit.web):
        yield Health(instances=unit.web)
    if any(spec.ready for spec in unit.web):
        yield Ready(instances=unit.web)
    if suite and not warm:
        yield Smoke(where="candidate", suite=suite, unit=unit)


def _traffic(unit: Pinned, record: EnvironmentRecord, *, back_to_earlier: bool) -> Iterator[Step]:
    serving = record.serving
    probing = _probing(unit)
    answers_before = serving is not None and bool(serving.web) and _address(serving) == _address(unit)
    if probing is not None and answers_before:
        yield probing
    yield Cutover(
        to=unit,
        back=serving,
        history=record.history,
        history_after=_history_after(unit, record, back_to_earlier=back_to_earlier),
    )
    if probing is not None and not answers_before:
        # Before the first cutover nothing answers there, so there is nothing to lose yet.
        yield probing
    if unit.workers or (serving is not None and serving.workers):
        yield Workers(stop=serving.workers if serving is not None else (), start=unit.workers)
    suite = unit.release.manifest.smoke
    if unit.web and suite:
        yield Smoke(where="router", suite=suite, unit=unit)


def _after(unit: Pinned, record: EnvironmentRecord) -> Iterator[Step]:
    strategy = unit.configuration.table.strategy
    watch = strategy.watch if strategy.watch is not None else WATCH[unit.configuration.tier]
    # What only runs to its end has nothing to watch.
    if watch > 0 and unit.instances:
        yield Watch(seconds=watch, errors=strategy.errors, unit=unit, previous=record.serving)
    if record.serving is not None and record.serving.web:
        yield Drain(instances=record.serving.web, limit=strategy.drain_limit, keep=strategy.keep_previous)
    yield Attest(unit=unit)
    yield Prune()


def _probing(unit: Pinned) -> Probing | None:
    asked = prober_path(unit)
    if asked is None:
        return None
    return Probing(path=asked[0], host=asked[1], per_second=PROBER_RATE)


def _address(unit: Pinned) -> tuple[int | None, str | None]:
    """Return where a unit is reached: by its local port, and by its domain."""
    return unit.port, unit.configuration.table.domain


def _history_after(unit: Pinned, record: EnvironmentRecord, *, back_to_earlier: bool) -> tuple[int, ...]:
    if back_to_earlier and unit.rollout in record.history:
        # The release that is left is no way back: rolling back twice goes further back, never to the bad release.
        return record.history[record.history.index(unit.rollout) + 1 :]
    # Also when a rollback goes forward by name, to what stands by since it was left.
    ways = (record.serving.rollout, *record.history) if record.serving is not None else record.history
    return tuple(dict.fromkeys(ways))[:WAYS_BACK]
