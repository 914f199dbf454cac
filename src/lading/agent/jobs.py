"""Runs of jobs: between what a client (or a schedule) asks and what the engine carries."""

import secrets
from collections.abc import Callable, Mapping

import msgspec

from lading.agent.answers import JobOutput, RunView, SendingView
from lading.agent.asking import RunRequest
from lading.agent.carrying import Carriers
from lading.agent.received import check_run
from lading.engine.context import Locks
from lading.engine.jobs import JobCarrier
from lading.engine.retention import asked
from lading.engine.sending import opened
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, Schedule, Sending, Trigger
from lading.model.secret import Secret, redact

ENDING = 15.0  # seconds that runs may take to end when all of them have to


class Jobs:
    """The runs of jobs of one agent, each carried by a thread of its own. ``known`` gives all secret values."""

    def __init__(self, world: World, locks: Locks, known: Callable[[], Mapping[str, Secret]]) -> None:
        self._world = world
        self._known = known
        carrier = JobCarrier(world, locks, self._is_stopping)
        self._carriers = Carriers("run", carrier.carry, carrier.give_up, _nobody)

    # what a client asks

    def request(self, request: RunRequest) -> JobRun:
        """Open a run of a job from the release that the environment serves, carry it, and return it as opened."""
        check_run(request)
        self._refuse_secrets(request)
        record = self._world.journal.environment(request.project, request.environment)
        if record is None or record.serving is None:
            raise LadingError(
                "unknown-environment",
                doing=f"running {request.job} in {request.environment}",
                happened=f"{request.project} serves nothing in {request.environment} on this host",
                now="nothing was started",
                hint=f"lading deploy {request.environment}",
            )
        unit = record.serving
        _refuse_unknown(unit, request)
        spec = next(spec for spec in unit.jobs if spec.service == request.job)
        self._world.runtime.require(spec.kind)
        if unit.configuration.table.outputs is not None:
            opened(self._world.secrets, record.key, unit.configuration.table.outputs)
        return self.open(
            record,
            unit,
            request.job,
            trigger="asked",
            requested_by=request.requested_by,
            args=request.args,
            size=request.size,
        )

    def open(
        self,
        record: EnvironmentRecord,
        unit: Pinned,
        job: str,
        *,
        trigger: Trigger,
        requested_by: str,
        args: tuple[str, ...] = (),
        size: str | None = None,
        slot: float | None = None,
        schedule: Schedule | None = None,
    ) -> JobRun:
        """Open a run of a unit's job, pinned as the unit is, and carry it; a slot that has a run gets no other."""
        manifest = unit.release.manifest
        said = manifest.jobs[job]
        spec = next(spec for spec in unit.jobs if spec.service == job)
        if size is not None:
            spec = msgspec.structs.replace(spec, resources=manifest.sizes[size].resources)

        def make(number: int) -> JobRun:
            return JobRun(
                id=number,
                project=record.project,
                environment=record.name,
                job=job,
                release=unit.release.version,
                trigger=trigger,
                requested_by=requested_by,
                created=self._world.clock.now(),
                spec=spec,
                args=args,
                size=size or said.size,
                timeout=said.timeout,
                expect=said.expect,
                wanted=said.outputs,
                slot=slot,
                sending=_sending(unit, number),
            )

        run = self._world.journal.open_run(make, schedule)
        self._carriers.carry(run.id)
        return run

    def stop_run(self, number: int, who: str) -> JobRun:
        """Ask a run to end: by its stop signal, then killed; quiet when it has ended. Raise ``unknown-run``."""

        def stop(run: JobRun) -> JobRun:
            return run if run.ending is not None or run.stop else msgspec.structs.replace(run, stop=who)

        return self._world.journal.change_run(number, stop)

    def get(self, number: int) -> JobRun:
        """Return a run; raise ``unknown-run``."""
        run = self._world.journal.run(number)
        if run is None:
            raise LadingError(
                "unknown-run",
                doing=f"looking for run {number}",
                happened="this agent's journal has none of that number",
                hint="lading runs ENVIRONMENT",
            )
        return run

    def output(self, number: int, cursor: str) -> JobOutput:
        """Return what a run wrote after a cursor, secrets masked, and the run itself once that is all."""
        # First: what is written before a run's end is then all there.
        run = self.get(number)
        if run.spec is None or not run.kept:
            return JobOutput(lines=(), cursor=cursor, run=view(run) if run.ending is not None else None)
        written = self._world.runtime.run_output(asked(run), cursor)
        lines = redact("\n".join(written.lines), self._known().values()).split("\n") if written.lines else []
        over = run.ending is not None and not written.lines
        return JobOutput(lines=tuple(lines), cursor=written.cursor, run=view(run) if over else None)

    def end_all(self, key: str | None, who: str) -> None:
        """Ask every run of an environment (of all, for None) to end, and wait until they have, for their grace."""
        for run in self._of(key):
            self.stop_run(run.id, who)
        self._world.clock.wait(ENDING, lambda: not self._of(key))

    def _of(self, key: str | None) -> list[JobRun]:
        return [run for run in self._world.journal.unfinished_runs() if key in (None, run.key)]

    def _refuse_secrets(self, request: RunRequest) -> None:
        told = "\n".join(request.args)
        if redact(told, self._known().values()) != told:
            raise LadingError(
                "usage",
                doing=f"running {request.job} in {request.environment}",
                happened="an argument holds the value of a secret, and arguments can be read by every user of the host",
                now="nothing was started, and the arguments were not kept",
                hint="let the job read the secret from its environment",
            )

    # carrying

    def recover(self) -> None:
        """Take up every run that has not ended and that nobody carries."""
        self._carriers.take_up(run.id for run in self._world.journal.unfinished_runs())

    def stop(self) -> None:
        """Let go of what runs: it goes on, and the next agent takes it up."""
        self._carriers.stop()

    def _is_stopping(self) -> bool:
        return self._carriers.stopping()


def view(run: JobRun) -> RunView:
    """Return a run as scripts read it."""
    return RunView(
        id=run.id,
        project=run.project,
        environment=run.environment,
        job=run.job,
        release=run.release,
        trigger=run.trigger,
        requested_by=run.requested_by,
        created=run.created,
        args=run.args,
        size=run.size,
        slot=run.slot,
        slots=run.slots,
        stopping=run.stop,
        ending=run.ending,
        exit_status=run.exit_status,
        reason=run.reason,
        finished=run.finished or None,
        seconds=run.seconds,
        outputs=run.outputs,
        sending=sending_view(run),
        kept=run.kept,
    )


def _sending(unit: Pinned, number: int) -> Sending | None:
    """Return how the files of a run are to be sent; its place in the store is its own, whichever agent numbers runs."""
    store = unit.configuration.table.outputs
    return Sending(store=store, place=f"{number}-{secrets.token_hex(4)}") if store is not None else None


def sending_view(run: JobRun) -> SendingView | None:
    """Return how far a run's files are on their way to a store; None where they stay on the host."""
    sending = run.sending
    if sending is None:
        return None
    return SendingView(
        store=sending.store.store,
        endpoint=sending.store.endpoint or "",
        unsent=len(run.unsent),
        lost=sum(bool(file.lost) for file in run.outputs),
        tries=sending.tries,
        trouble=sending.trouble,
        again=sending.again or None,
    )


def _refuse_unknown(unit: Pinned, request: RunRequest) -> None:
    manifest = unit.release.manifest
    doing = f"running {request.job} in {request.environment}"
    if request.job not in manifest.jobs:
        known = ", ".join(manifest.jobs) or "none"
        raise LadingError(
            "unknown-job",
            doing=doing,
            happened=f"{unit.release.version}, which serves there, has no job {request.job}; it has: {known}",
            now="nothing was started",
            hint=f"name one of them, or deploy a release that has it: lading deploy {request.environment}",
        )
    if request.size is not None and request.size not in manifest.sizes:
        known = ", ".join(manifest.sizes) or "none"
        raise LadingError(
            "usage",
            doing=doing,
            happened=f"{unit.release.version} has no size {request.size}; it has: {known}",
            now="nothing was started",
            hint=f"name one of them, or add [sizes.{request.size}] and release again",
        )


def _nobody(_number: int) -> None:
    """Publish to nobody: who follows a run asks for its output."""
