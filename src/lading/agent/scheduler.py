"""Starts jobs by their schedules: each moment once, none silently left out.

What was carried out stands in the journal: how far each schedule was considered, and a run or an entry of missed ones
for every moment up to there, in one transaction. So an agent that is killed anywhere neither runs a moment twice nor
loses it. Whether a job is scheduled follows from what its environment serves: with the cutover the old release's
schedule ends and the new one's begins, and a rollback brings the old one back.
"""

import logging
import threading
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from lading.agent.jobs import Jobs
from lading.agent.slots import due
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, Pinned
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, Schedule
from lading.model.manifest import Job

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0  # seconds between two looks at the clock
IN_TIME = 60.0  # seconds by which a run may begin late and still be in time: a restart of the agent is no miss
BACKWARDS = 1.0  # seconds by which the clock may go back before that is taken for somebody setting it
BY = "schedule"
NOBODY = "it was not begun in time: no agent was running, or the clock was set"

Key = tuple[str, str, str]


class Scheduled(NamedTuple):
    """A job that runs by itself: its environment, the unit that serves, its name, and what the manifest says of it."""

    record: EnvironmentRecord
    unit: Pinned
    name: str
    job: Job

    @property
    def key(self) -> Key:
        """Project, environment and job."""
        return self.record.project, self.record.name, self.name


def schedules_on(unit: Pinned) -> bool:
    """Tell whether jobs run by themselves in a unit's environment: in production, unless its table says otherwise."""
    said = unit.configuration.table.schedules
    return unit.configuration.tier == "production" if said is None else said


class Scheduler:
    """Looks at the clock once a second, in a thread of its own."""

    def __init__(self, world: World, jobs: Jobs) -> None:
        self._world = world
        self._jobs = jobs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._troubles: dict[Key, str] = {}

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; runs go on."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            try:
                self.look()
            except (LadingError, OSError) as error:
                # The journal holds how far it came, so the next look goes on from there.
                log.warning("schedules: %s", error)
            except Exception:
                log.exception("schedules")

    def look(self) -> None:
        """Start what is due now, and record what was missed."""
        known = {(one.project, one.environment, one.job): one for one in self._world.journal.schedules()}
        for scheduled in self._scheduled():
            state = known.pop(scheduled.key, None)
            try:
                self._consider(scheduled, state)
                self._troubles.pop(scheduled.key, None)
            except (LadingError, ValueError, LookupError) as error:
                # One job's trouble must not keep the others from running; said once, not every second.
                if self._troubles.get(scheduled.key) != str(error):
                    log.warning("schedule of %s in %s: %s", scheduled.name, scheduled.record.key, error)
                self._troubles[scheduled.key] = str(error)
        for key in known:
            self._world.journal.end_schedule(*key)

    def _scheduled(self) -> Iterator[Scheduled]:
        for record in self._world.journal.environments():
            unit = record.serving
            if unit is None or not schedules_on(unit):
                continue
            for name, job in unit.release.manifest.jobs.items():
                if job.schedule is not None:
                    yield Scheduled(record, unit, name, job)

    def _consider(self, scheduled: Scheduled, state: Schedule | None) -> None:
        now = self._world.clock.now()
        line, timezone = scheduled.job.schedule or "", scheduled.job.timezone
        if state is None or (state.line, state.timezone) != (line, timezone):
            self._world.journal.save_schedule(_state(scheduled, now))
            return
        if now < state.considered - BACKWARDS:
            # Else nothing would run until the clock is back there. What did run has its slot taken and runs no more.
            log.warning("the clock went back: schedule of %s in %s goes on from now", *scheduled.key[2:0:-1])
            self._world.journal.save_schedule(_state(scheduled, now))
            return
        found = due(line, timezone, state.considered, now)
        if found.last is not None:
            self._carry_out(scheduled, state.considered, found.last, found.count)

    def _carry_out(self, scheduled: Scheduled, after: float, slot: float, count: int) -> None:
        in_time = self._world.clock.now() - slot <= IN_TIME
        holder = self._running(scheduled)
        if holder is not None:
            if not scheduled.job.catch_up:
                self._miss(
                    scheduled, slot, count, f"run {holder.id} still ran, and runs of one schedule do not overlap"
                )
            # Else it is made up for once that run has ended.
            return
        if not in_time and not scheduled.job.catch_up:
            self._miss(scheduled, slot, count, NOBODY)
            return
        if count > 1:
            earlier = due(scheduled.job.schedule or "", scheduled.job.timezone, after, slot - 1.0)
            made_up = "; the run of the last one makes up for them" if scheduled.job.catch_up else ""
            # They are considered then: an agent that dies right after this records them no second time.
            self._note_missed(scheduled, earlier.last or after, count - 1, f"{NOBODY}{made_up}")
        self._jobs.open(
            scheduled.record,
            scheduled.unit,
            scheduled.name,
            trigger="schedule" if in_time else "catch-up",
            requested_by=BY,
            slot=slot,
            schedule=_state(scheduled, slot),
        )

    def _running(self, scheduled: Scheduled) -> JobRun | None:
        for run in self._world.journal.unfinished_runs():
            if (run.project, run.environment, run.job) == scheduled.key:
                return run
        return None

    def _miss(self, scheduled: Scheduled, slot: float, count: int, reason: str) -> None:
        log.warning("%s in %s was missed %s times: %s", scheduled.name, scheduled.record.key, count, reason)
        self._note_missed(scheduled, slot, count, reason)

    def _note_missed(self, scheduled: Scheduled, slot: float, count: int, reason: str) -> None:
        """Record moments that came and had no run, up to ``slot``."""
        now = self._world.clock.now()
        missed = JobRun(
            id=0,
            project=scheduled.record.project,
            environment=scheduled.record.name,
            job=scheduled.name,
            release=scheduled.unit.release.version,
            trigger="schedule",
            requested_by=BY,
            created=now,
            slot=slot,
            slots=count,
            ending="missed",
            reason=reason,
            finished=now,
        )
        self._world.journal.open_run(lambda number: msgspec.structs.replace(missed, id=number), _state(scheduled, slot))


def _state(scheduled: Scheduled, considered: float) -> Schedule:
    project, environment, job = scheduled.key
    return Schedule(
        project=project,
        environment=environment,
        job=job,
        line=scheduled.job.schedule or "",
        timezone=scheduled.job.timezone,
        considered=considered,
    )
