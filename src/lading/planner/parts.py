"""What strategies have in common: the parts of a plan, each for a candidate unit and the record it meets."""

from collections.abc import Iterator

from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.paths import prober_path
from lading.model.plan import (
    Attest,
    Cutover,
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
)

# Requests a second the prober sends through the router: a loss of 20 ms shows, the cost stays under 3 % of a core.
PROBER_RATE = 50.0

# Seconds of watching where the environment does not say.
WATCH = {"local": 1.0, "stage": 5.0, "production": 60.0}

# How many earlier units an environment can return to.
WAYS_BACK = 5


def prepare(unit: Pinned, migrations: tuple[Step, ...], *, warm: bool) -> Iterator[Step]:
    """Yield what is done before anything is started; ``warm``: its instances run already."""
    yield Preflight(release=unit.release, configuration=unit.configuration)
    if not warm:
        yield Fetch(release=unit.release)
    yield from migrations


def candidate(unit: Pinned, *, warm: bool) -> Iterator[Step]:
    """Yield what starts the candidate and checks it; what runs already has passed all but ready in these processes."""
    suite = unit.release.manifest.smoke
    if unit.web:
        yield Start(instances=unit.web)
        if not warm and any(spec.health for spec in unit.web):
            yield Health(instances=unit.web)
        if any(spec.ready for spec in unit.web):
            yield Ready(instances=unit.web)
    if suite and not (warm and unit.web):
        yield Smoke(where="candidate", suite=suite, unit=unit)


def switch(
    unit: Pinned,
    record: EnvironmentRecord,
    *,
    back_to_earlier: bool,
    before: tuple[Step, ...] = (),
    alone: bool = False,
) -> Iterator[Step]:
    """Yield the cutover and the prober, with ``before`` between the prober and the cutover.

    ``back_to_earlier`` marks a rollback: the unit leaves the ways back instead of adding one. ``alone`` says that the
    previous instances do not run beside it.
    """
    probing = _probing(unit)
    if probing is not None and answers_before(unit, record):
        yield probing
    yield from before
    yield Cutover(
        to=unit,
        back=record.serving,
        history=record.history,
        history_after=_history_after(unit, record, back_to_earlier=back_to_earlier),
        alone=alone,
    )
    if probing is not None and not answers_before(unit, record):
        # Before the first cutover nothing answers there, so there is nothing to lose yet.
        yield probing


def verify(unit: Pinned, record: EnvironmentRecord) -> Iterator[Step]:
    """Yield what is asked of the new release once it serves: the suite through the router, and the watch."""
    suite = unit.release.manifest.smoke
    if unit.web and suite:
        yield Smoke(where="router", suite=suite, unit=unit)
    strategy = unit.configuration.table.strategy
    watch = strategy.watch if strategy.watch is not None else WATCH[unit.configuration.tier]
    # What only runs to its end has nothing to watch.
    if watch > 0 and unit.instances:
        yield Watch(seconds=watch, errors=strategy.errors, unit=unit, previous=record.serving)


def conclude(unit: Pinned) -> Iterator[Step]:
    """Yield what is done when there is no way back any more."""
    yield Attest(unit=unit)
    yield Prune()


def answers_before(unit: Pinned, record: EnvironmentRecord) -> bool:
    """Tell whether something answers already where the unit will."""
    serving = record.serving
    return serving is not None and bool(serving.web) and _address(serving) == _address(unit)


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
