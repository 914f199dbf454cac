"""The agent's part of ``lading doctor``: what only it knows of its journal, instances, router and secrets."""

import dataclasses
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from lading.agent.answers import EnvironmentView, InstanceView
from lading.agent.status import Status
from lading.doctor.engine import EngineSeen
from lading.doctor.engine import look as look_at_engine
from lading.doctor.finding import Finding, found, well
from lading.doctor.registry import HOME, PROCESS, Check, examine
from lading.engine.sending import opened, store_of
from lading.model.certificates import CertificateState
from lading.model.data_steps import StartDatabase
from lading.model.environment import EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.jobs import JobRun
from lading.model.placeholders import placeholder
from lading.model.secret import redact
from lading.ports.clock import Clock
from lading.ports.journal import Journal
from lading.ports.objects import Objects
from lading.ports.runtime import Runtime
from lading.ports.secrets import Secrets

COPY_OLD = 2 * 24 * 3600.0  # seconds; a copy is made once a day
LONG = 3600.0  # seconds after which a rollout is worth a look
ACME_LATE = 20 * 24 * 3600.0  # seconds; Traefik renews 30 days before the end
FILE_LATE = 14 * 24 * 3600.0  # seconds
RESTARTS = 3  # from here on an instance is worth a look


@dataclasses.dataclass(frozen=True)
class Clinic:
    """What the checks look at. ``strays`` and ``trouble`` ask the adapters what no port promises; ``missing`` names
    ports of the router that others hold. ``home`` holds ``journal.db`` and its copy. ``engine`` gives what the
    container engine says of itself, None where there is none and none is needed; it raises when it does not answer.
    """

    home: Path
    journal: Journal
    runtime: Runtime
    secrets: Secrets
    status: Status
    clock: Clock
    strays: Callable[[], Sequence[str]]
    trouble: Callable[[], str]
    missing: Callable[[], Mapping[str, str]]
    objects: Objects
    certificates: Callable[[], Mapping[str, CertificateState]] = dict
    engine: Callable[[], EngineSeen | None] = lambda: None

    def findings(self) -> tuple[Finding, ...]:
        """Run all checks, those of the host and those of the agent's own."""
        return (*examine((*HOME, *PROCESS), self.home), *examine(OWN, self))


def journal(clinic: Clinic) -> Iterator[Finding]:
    """Let SQLite check the journal, on a connection that can only read, and look at the age of its copy."""
    file = clinic.home / "journal.db"
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        said = [str(error)]
    size = sum(path.stat().st_size for path in clinic.home.glob("journal.db*"))
    if said != ["ok"]:
        yield found("journal-damaged", "journal", "; ".join(said))
    else:
        yield well("journal", f"whole, {size / 1e6:.1f} MB")
    copy = clinic.home / "journal.copy.db"
    age = time.time() - copy.stat().st_mtime if copy.exists() else 0.0
    if age > COPY_OLD:
        yield found("journal-copy-old", "journal", f"its copy is {age / 86400:.0f} days old")


def alerts(clinic: Clinic) -> Iterator[Finding]:
    """Look for environments that somebody has to look at."""
    records = clinic.journal.environments()
    for record in records:
        if record.alert:
            serves = record.serving.release.version if record.serving else "VERSION"
            yield found("alert", record.key, record.alert, f"lading deploy {record.name} {serves}")
    if not any(record.alert for record in records):
        yield well("alerts", f"none in {len(records)} environment{'' if len(records) == 1 else 's'}")


def rollouts(clinic: Clinic) -> Iterator[Finding]:
    """Look for rollouts that wait, or take very long."""
    for view in clinic.status.environments():
        if view.rollout is None:
            continue
        passed = clinic.clock.now() - view.rollout.created
        if "waiting:" in view.rollout.step or passed > LONG:
            text = f"rollout {view.rollout.id} of {view.name} for {passed / 60:.0f} min: {view.rollout.step}"
            yield found("rollout-waits", view.name, text, f"lading follow {view.name}; lading cancel {view.name}")


def instances(clinic: Clinic) -> Iterator[Finding]:
    """Look at every instance that should serve."""
    running = 0
    for view in clinic.status.environments():
        for one in view.instances:
            running += one.running
            command = f"lading logs {view.name} {one.service}"
            said = _last_line(clinic, view, one)
            if not one.running and view.rollout is None:
                text = one.ended or f"exit status {one.exit_status}"
                yield found("instance-down", f"{view.name} {one.name}", f"{text}{said}", command)
            elif one.restarts >= RESTARTS:
                text = f"{one.restarts} restarts" + (f", it {one.ended}" if one.ended else "")
                yield found("instance-restarts", f"{view.name} {one.name}", f"{text}{said}", command)
    yield well("instances", f"{running} running")


def _last_line(clinic: Clinic, view: EnvironmentView, one: InstanceView) -> str:
    """Return the last line of an instance that does not do well, with no secret in it."""
    record = clinic.journal.environment(view.project, view.name)
    if (one.running and one.restarts < RESTARTS) or record is None or record.serving is None:
        return ""
    names = [spec.name for spec in record.serving.instances if spec.label == one.name]
    lines = [line for name in names for line in clinic.runtime.logs(name, lines=1)]
    return f"; its last line: {redact(lines[-1], clinic.secrets.all_values().values())}" if lines else ""


def orphans(clinic: Clinic) -> Iterator[Finding]:
    """Look for instances, processes and control groups that nobody knows."""
    known = {name for record in clinic.journal.environments() for name in _names(record)}
    for rollout in clinic.journal.unfinished():
        if rollout.plan.unit is not None:
            known |= {spec.name for spec in rollout.plan.unit.instances}
        known |= {step.spec.name for step in rollout.plan.steps if isinstance(step, StartDatabase) and step.spec}
    lost = [state for state in clinic.runtime.list() if state.running and state.name not in known]
    for state in lost:
        yield found("orphan-instance", "instances", f"{state.name}, pid {state.pid}")
    strays = clinic.strays()
    for stray in strays:
        yield found("orphan-process", "left over", stray)
    if not lost and not strays:
        yield well("left over", "no process, no control group")


def _names(record: EnvironmentRecord) -> Iterator[str]:
    for unit in (record.serving, record.standby):
        yield from (spec.name for spec in unit.instances) if unit is not None else ()
    yield from (spec.name for spec in record.backing.values())


def router(clinic: Clinic) -> Iterator[Finding]:
    """Ask the router whether it answers and whether it has its ports; before anything serves it need not run."""
    serving = [record for record in clinic.journal.environments() if record.serving is not None]
    trouble = clinic.trouble()
    if trouble and serving:
        yield found("router-down", "router", trouble)
    elif not trouble:
        yield well("router", "answers")
    for environment, reason in clinic.missing().items():
        yield found("port-taken", environment, reason)


def containers(clinic: Clinic) -> Iterator[Finding]:
    """Ask the container engine, where there is one or one is needed."""
    try:
        seen = clinic.engine()
    except LadingError as error:
        yield found("engine-down", "engine", error.happened, error.hint)
        return
    if seen is not None:
        yield from look_at_engine(seen)


def certificates(clinic: Clinic) -> Iterator[Finding]:
    """Look at how long every certificate still holds, and whether a newer one was refused."""
    states = clinic.certificates()
    for environment, state in states.items():
        if state.not_after is None:
            yield found("certificate-missing", environment, f"{state.source}: {state.trouble or 'there is none yet'}")
            continue
        if state.trouble:
            yield found("certificate-refused", environment, state.trouble)
        left = state.not_after - clinic.clock.now()
        day = time.strftime("%Y-%m-%d", time.gmtime(state.not_after))
        if left <= 0:
            yield found("certificate-ended", environment, f"it ended {day}")
        elif left < (ACME_LATE if state.source == "ACME" else FILE_LATE):
            yield found("certificate-ends", environment, f"it ends {day}, in {left / 86400:.0f} days")
    if states:
        yield well("certificates", f"{len(states)} looked at")


def secrets(clinic: Clinic) -> Iterator[Finding]:
    """Read every secret of what serves, and hold it against what a deploy would refuse."""
    read = 0
    for record in clinic.journal.environments():
        try:
            read += len(clinic.secrets.versions(record.key))
            yield from _lacking(clinic, record)
        except LadingError as error:
            yield found("secrets-unreadable", record.key, error.happened, error.hint)
    yield well("secrets", f"{read} can be read")


def _lacking(clinic: Clinic, record: EnvironmentRecord) -> Iterator[Finding]:
    if record.serving is None:
        return
    versions = clinic.secrets.versions(record.key)
    for name in record.serving.release.manifest.secrets.required:
        reason = "it is missing"
        if name in versions:
            reason = placeholder(name, clinic.secrets.get(record.key, name, versions[name]).reveal(), record.tier)
        if reason:
            yield found("secrets-lacking", record.key, f"{name}: {reason}", f"lading secrets set {record.name} {name}")


def outputs(clinic: Clinic) -> Iterator[Finding]:
    """Look at the object stores of outputs, and for files of runs that could not be sent there."""
    yield from _stores(clinic)
    waiting: dict[str, list[JobRun]] = {}
    for run in clinic.journal.unsent_runs():
        if run.sending is not None and run.sending.tries:
            waiting.setdefault(run.key, []).append(run)
    for key, runs in waiting.items():
        oldest, last = runs[0], runs[0].sending
        assert last is not None, "only what is to be sent waits"
        files = sum(len(run.unsent) for run in runs)
        text = f"{files} file{'' if files == 1 else 's'} of run {', '.join(str(run.id) for run in runs[:5])}"
        text += f" not in {last.store.store} after {last.tries} tr{'y' if last.tries == 1 else 'ies'}: {last.trouble}"
        yield found("outputs-unsent", key, text, f"lading outputs {oldest.environment} {oldest.id} --send")


def _stores(clinic: Clinic) -> Iterator[Finding]:
    for record in clinic.journal.environments():
        store = store_of(record)
        if store is None:
            continue
        try:
            clinic.objects.look(opened(clinic.secrets, record.key, store))
        except LadingError as error:
            yield found("outputs-store", record.key, f"{store.store}: {error.happened}", error.hint)
        else:
            yield well("outputs", f"{store.store} of {record.key} answers")


OWN: tuple[Check[Clinic], ...] = (
    journal,
    alerts,
    rollouts,
    instances,
    orphans,
    router,
    containers,
    certificates,
    secrets,
    outputs,
)
