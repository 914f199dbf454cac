"""What this agent is and what its environments serve, looked at now."""

from collections.abc import Callable, Mapping

import msgspec

from lading.agent.answers import CanaryView, EnvironmentView, InstanceView, JobView, RunningRollout
from lading.agent.jobs import view
from lading.agent.scheduler import schedules_on
from lading.agent.slots import next_slot
from lading.model.certificates import CertificateState
from lading.model.environment import EnvironmentRecord, InstanceSpec, Pinned
from lading.model.errors import LadingError
from lading.model.rollout import Rollout
from lading.ports.clock import Clock
from lading.ports.journal import Journal
from lading.ports.router import Router
from lading.ports.runtime import Runtime


def _for_nothing(_number: int) -> str:
    return ""


class Status:
    """Looks at environments: the journal's record, and the instances as the runtime sees them.

    ``waits`` says what a rollout of that number waits for before it can go on; empty when it goes on.
    """

    def __init__(
        self,
        journal: Journal,
        runtime: Runtime,
        router: Router,
        clock: Clock,
        waits: Callable[[int], str] = _for_nothing,
        certificates: Callable[[], Mapping[str, CertificateState]] = dict,
    ) -> None:
        self._certificates = certificates
        self._waits = waits
        self._journal = journal
        self._runtime = runtime
        self._router = router
        self._clock = clock

    def environments(self, project: str | None = None) -> tuple[EnvironmentView, ...]:
        """Return what every environment (of one project, if given) serves now."""
        running = {(rollout.project, rollout.environment): rollout for rollout in self._journal.unfinished()}
        certificates = self._certificates()
        return tuple(
            msgspec.structs.replace(
                self._view(record, running.get((record.project, record.name))),
                certificate=certificates.get(record.key),
            )
            for record in self._journal.environments()
            if project in (None, record.project)
        )

    def _view(self, record: EnvironmentRecord, rollout: Rollout | None) -> EnvironmentView:
        serving = record.serving
        return EnvironmentView(
            name=record.name,
            project=record.project,
            tier=record.tier,
            release=serving.release.version if serving else None,
            digest=serving.release.digest if serving else None,
            url=self._router.url(record.key) if serving else "",
            instances=self._instances(record),
            configuration=serving.configuration.revision if serving else "",
            since=serving.since if serving else 0.0,
            standby=self._standby(record),
            alert=record.alert,
            rollout=self._running(rollout) if rollout is not None else None,
            canary=self._canary(record, rollout),
            stopped=record.stopped if record.is_down else 0.0,
            stopped_release=self._last(record) if record.is_down else None,
            maintenance=self._journal.maintenance(record.project, record.name),
            jobs=tuple(self._job(record, serving, name) for name in serving.release.manifest.jobs) if serving else (),
        )

    def _job(self, record: EnvironmentRecord, serving: Pinned, name: str) -> JobView:
        job = serving.release.manifest.jobs[name]
        on = job.schedule is not None and schedules_on(serving)
        runs = self._journal.runs(record.project, record.name, name, limit=1)
        return JobView(
            name=name,
            schedule=job.schedule or "",
            timezone=job.timezone,
            on=on,
            next=next_slot(job.schedule, job.timezone, self._clock.now()) if on and job.schedule else None,
            running=sum(run.key == record.key and run.job == name for run in self._journal.unfinished_runs()),
            last=view(runs[0]) if runs else None,
        )

    def _canary(self, record: EnvironmentRecord, rollout: Rollout | None) -> CanaryView | None:
        routes = self._router.current(record.key) if rollout is not None else None
        if rollout is None or routes is None or routes.canary is None:
            return None
        return CanaryView(release=rollout.plan.release, share=routes.canary.share)

    def _instances(self, record: EnvironmentRecord) -> tuple[InstanceView, ...]:
        serving = record.serving.instances if record.serving is not None else ()
        backing = record.backing.values() if not record.is_down else ()
        return tuple(self._instance(spec) for spec in (*serving, *backing))

    def _instance(self, spec: InstanceSpec) -> InstanceView:
        try:
            state = self._runtime.look(spec.name)
        except LadingError as error:
            if error.code != "no-engine":
                raise
            # With live-restore it serves on; what the journal and the router know is told all the same.
            return InstanceView(name=spec.label, service=spec.service, running=False, unseen=error.happened)
        if state is None:
            return InstanceView(name=spec.label, service=spec.service, running=False)
        return InstanceView(
            name=spec.label,
            service=spec.service,
            running=state.running,
            # What backs it has an address of its own whether or not a port of it is known.
            address=state.address or (state.host if spec.image is not None else ""),
            pid=state.pid,
            started=state.started,
            restarts=state.restarts,
            exit_status=state.exit_status,
            limits=state.limits,
            ended=state.ended,
        )

    def _standby(self, record: EnvironmentRecord) -> str | None:
        if record.standby is None or record.standby_until <= self._clock.now():
            return None
        return record.standby.release.version

    def _last(self, record: EnvironmentRecord) -> str | None:
        """Return the release that served until the environment was taken down."""
        newest = self._journal.rollout(record.history[0]) if record.history else None
        return newest.plan.release if newest is not None else None

    def _running(self, rollout: Rollout) -> RunningRollout:
        marks = self._journal.marks(rollout.id)
        steps = rollout.plan.steps
        step = f"{steps[marks[-1].step].kind} {steps[marks[-1].step].subject}".strip() if marks else "about to begin"
        step = step if rollout.direction == "forward" else f"unwinding, {step}"
        waits = self._waits(rollout.id)
        return RunningRollout(
            id=rollout.id,
            kind=rollout.kind,
            release=rollout.plan.release,
            step=f"{step}, waiting: {waits}" if waits else step,
            requested_by=rollout.requested_by,
            created=rollout.created,
        )
