"""Pure: (release, environment, what is observed) → the plan that is shown, journaled and carried out."""

from collections.abc import Iterator

from lading.model.data_steps import StartBacking, StartDatabase
from lading.model.environment import Configuration, EnvironmentRecord, Observed, Pinned
from lading.model.plan import Fetch, Plan, Preflight, Step
from lading.model.release import Release
from lading.planner import backing, backing_services, blue_green, canary, migrating, recreate
from lading.planner.units import unit_of

BACKING = "dev"  # the kind of a rollout that brings up what backs an environment and no release

_STOPS_FIRST = "what serves is stopped before it starts again: requests wait meanwhile"


def plan_release(number: int, kind: str, release: Release, configuration: Configuration, observed: Observed) -> Plan:
    """Plan to bring an environment to a release with today's configuration; ``kind`` is ``deploy`` or ``promote``."""
    unit = unit_of(number, release, configuration, observed.databases, observed.record.port, observed.passwords)
    return _plan(
        kind,
        unit,
        observed,
        reasons=(*_reasons(unit, observed.record), *migrating.reasons(release, observed, migrates=True)),
        steps=_forward(unit, observed),
    )


def plan_rollback(unit: Pinned, observed: Observed) -> Plan:
    """Plan to return to an earlier unit exactly as it ran: digest, configuration, secret versions, health contract."""
    if _one_at_a_time(unit, observed.record.serving):
        return _plan(
            "rollback",
            unit,
            observed,
            reasons=(_STOPS_FIRST, *migrating.reasons(unit.release, observed, migrates=False)),
            steps=recreate.steps(unit, observed.record, back_to_earlier=True, migrations=_backing(unit, observed)),
        )
    warm = bool(unit.web) and all(spec.name in observed.running for spec in unit.web)
    reason = (
        "its instances are still up: going back is a route change"
        if warm
        else "its instances are gone: they are started again from the stored artifact, nothing is rebuilt"
    )
    return _plan(
        "rollback",
        unit,
        observed,
        reasons=(reason, *_opened(unit, observed.record), *migrating.reasons(unit.release, observed, migrates=False)),
        steps=blue_green.steps(
            unit, observed.record, back_to_earlier=True, warm=warm, migrations=_backing(unit, observed)
        ),
    )


def plan_backing(number: int, release: Release, configuration: Configuration, observed: Observed) -> Plan:
    """Plan to bring up what backs an environment, and nothing else: its release stays as it is, serving or not.

    ``release`` has those databases and services alone (see :func:`lading.planner.backing.only`).
    """
    serving = observed.record.serving
    services = (name for name, service in release.manifest.services.items() if service.image is not None)
    return Plan(
        project=release.project,
        environment=configuration.environment,
        kind=BACKING,
        release=", ".join((*release.manifest.databases, *services)),
        digest="",
        previous=serving.release.version if serving is not None else None,
        steps=(
            Preflight(release=release, configuration=configuration),
            *((Fetch(release=release),) if release.artifacts else ()),
            *backing.steps(number, release, configuration, observed),
            *backing_services.steps(release, configuration, observed),
        ),
    )


def is_backed(plan: Plan, observed: Observed) -> bool:
    """Tell whether all that a plan would bring up runs as the plan has it."""
    record = observed.record
    specs = [step.spec for step in plan.steps if isinstance(step, StartBacking | StartDatabase)]
    return not record.is_down and all(
        spec is not None and record.backing.get(spec.service) == spec and spec.name in observed.running
        for spec in specs
    )


def _forward(unit: Pinned, observed: Observed) -> tuple[Step, ...]:
    # Servers first: migrations ask them.
    migrations = (*_backing(unit, observed), *migrating.steps(unit, observed))
    if _kind(unit) == "recreate":
        return recreate.steps(unit, observed.record, back_to_earlier=False, migrations=migrations)
    if _kind(unit) == "canary":
        return canary.steps(unit, observed.record, migrations=migrations)
    return blue_green.steps(unit, observed.record, back_to_earlier=False, warm=False, migrations=migrations)


def _backing(unit: Pinned, observed: Observed) -> tuple[Step, ...]:
    return (
        *backing.steps(unit.rollout, unit.release, unit.configuration, observed),
        *backing_services.steps(unit.release, unit.configuration, observed),
    )


def _kind(unit: Pinned) -> str:
    return unit.configuration.table.strategy.kind


def _one_at_a_time(unit: Pinned, serving: Pinned | None) -> bool:
    """Tell whether a unit may not be started beside what serves: either of them asked to be alone."""
    return serving is not None and "recreate" in (_kind(unit), _kind(serving))


def is_noop(release: Release, configuration: Configuration, observed: Observed) -> bool:
    """Tell whether the environment already serves this digest with this configuration, every instance of it up.

    What is down, or was left by a rollout that got stuck, does not serve: then asking again is a rollout.
    """
    serving = observed.record.serving
    return (
        serving is not None
        and not observed.record.alert
        and serving.release.digest == release.digest
        and serving.configuration.revision == configuration.revision
        and all(spec.name in observed.running for spec in (*serving.instances, *observed.record.backing.values()))
    )


def _plan(kind: str, unit: Pinned, observed: Observed, *, reasons: tuple[str, ...], steps: tuple[Step, ...]) -> Plan:
    serving = observed.record.serving
    return Plan(
        project=unit.release.project,
        environment=unit.configuration.environment,
        kind=kind,
        release=unit.release.version,
        digest=unit.release.digest,
        previous=serving.release.version if serving is not None else None,
        steps=steps,
        reasons=reasons,
    )


def _reasons(unit: Pinned, record: EnvironmentRecord) -> tuple[str, ...]:
    if record.is_down:
        return ("it was taken down: its data is there, and no previous release to drain or to return to",)
    if record.serving is None:
        return ("nothing serves yet: there is no previous release to drain or to return to",)
    if record.serving.release.digest == unit.release.digest:
        if record.serving.configuration.revision == unit.configuration.revision:
            return ("it serves already: rolled out once more, so that it passes anew",)
        return (
            "same digest, other configuration: a configuration change is a rollout of the release that serves",
            *_other_secrets(unit, record.serving),
        )
    return (_STOPS_FIRST,) if _kind(unit) == "recreate" else ()


def _opened(unit: Pinned, record: EnvironmentRecord) -> Iterator[str]:
    """Say so where going back would let in whom the environment keeps out today."""
    now = record.serving.configuration.table.access if record.serving is not None else None
    then = unit.configuration.table.access
    if now is not None and now != then:
        yield "its access returns with it: " + (
            "anybody could reach it then" if then is None else "other rules held then"
        )


def _other_secrets(unit: Pinned, serving: Pinned) -> Iterator[str]:
    before, after = serving.configuration.secret_versions, unit.configuration.secret_versions
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"secret {name}: version {before.get(name, 'none')} → {after.get(name, 'none')}"
