"""Runs of jobs and their schedules, of a journal in memory."""

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from lading.model import typed
from lading.model.jobs import JobRun, Schedule
from lading.ports.journal.refusals import changed_run, unknown_run

T = TypeVar("T", bound=msgspec.Struct)


def stored(value: T) -> T:
    """Return the value as a journal on disk would give it back; whatever cannot be written raises here."""
    return typed.decode(msgspec.json.encode(value), type(value))


class MemoryJobs:
    """Keeps runs and schedules in dicts; ``lock`` is the whole journal's."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._runs: dict[int, JobRun] = {}
        self._schedules: dict[tuple[str, str, str], Schedule] = {}

    def open_run(self, make: Callable[[int], JobRun], schedule: Schedule | None = None) -> JobRun:
        """Open a run under the next number, and note how far its schedule is carried out; a taken slot opens none."""
        with self._lock:
            run = stored(make(max(self._runs, default=0) + 1))
            if schedule is not None:
                self.save_schedule(schedule)
            for known in self._runs.values():
                same = (known.key, known.job, known.slot) == (run.key, run.job, run.slot)
                if same and run.slot is not None:
                    return known
            return self._runs.setdefault(run.id, run)

    def change_run(self, number: int, change: Callable[[JobRun], JobRun]) -> JobRun:
        """Replace a run by what ``change`` makes of it as it stands, and return that."""
        with self._lock:
            run = self._runs.get(number)
            if run is None:
                raise unknown_run(number)
            self._runs[number] = changed_run(run, stored(change(run)))
            return self._runs[number]

    def run(self, number: int) -> JobRun | None:
        """Return one run of a job."""
        with self._lock:
            return self._runs.get(number)

    def runs(
        self, project: str | None = None, environment: str | None = None, job: str | None = None, limit: int = 50
    ) -> Sequence[JobRun]:
        """Return runs of jobs, newest first."""
        with self._lock:
            found = [
                run
                for run in reversed(self._runs.values())
                if project in (None, run.project) and environment in (None, run.environment) and job in (None, run.job)
            ]
            return found[:limit]

    def unfinished_runs(self) -> Sequence[JobRun]:
        """Return runs that have not ended, oldest first."""
        with self._lock:
            return [run for run in self._runs.values() if run.ending is None]

    def unsent_runs(self) -> Sequence[JobRun]:
        """Return runs that have ended and whose files are still to be sent to a store, oldest first."""
        with self._lock:
            return [run for run in self._runs.values() if run.is_unsent]

    def schedules(self) -> Sequence[Schedule]:
        """Return how far each schedule was carried out."""
        with self._lock:
            return [schedule for _, schedule in sorted(self._schedules.items(), key=lambda item: item[0])]

    def save_schedule(self, schedule: Schedule) -> None:
        """Insert or replace how far a job's schedule was carried out."""
        with self._lock:
            self._schedules[schedule.project, schedule.environment, schedule.job] = stored(schedule)

    def end_schedule(self, project: str, environment: str, job: str) -> None:
        """Forget a job's schedule; idempotent."""
        with self._lock:
            self._schedules.pop((project, environment, job), None)
