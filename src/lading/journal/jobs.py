"""Runs of jobs and their schedules in the journal."""

from collections.abc import Callable, Sequence

from lading.journal.file import JournalFile, text_of
from lading.model.jobs import JobRun, Schedule
from lading.ports.journal.refusals import changed_run, unknown_run


class Jobs(JournalFile):
    """Reads and writes runs and schedules."""

    def open_run(self, make: Callable[[int], JobRun], schedule: Schedule | None = None) -> JobRun:
        """Open a run under the next number, and note how far its schedule is carried out; a taken slot opens none."""
        with self._transaction("opening a run in") as connection:
            number = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM runs").fetchone()[0]
            run = make(number)
            if schedule is not None:
                self.save_schedule(schedule)
            taken = self._of_slot(run)
            if taken is not None:
                return taken
            connection.execute(
                "INSERT INTO runs (id, project, environment, job, slot, ending, value) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, run.project, run.environment, run.job, run.slot, run.ending, text_of(run)),
            )
            return run

    def _of_slot(self, run: JobRun) -> JobRun | None:
        sql = "SELECT value FROM runs WHERE project = ? AND environment = ? AND job = ? AND slot = ?"
        return self._one(JobRun, sql, run.project, run.environment, run.job, run.slot)

    def change_run(self, number: int, change: Callable[[JobRun], JobRun]) -> JobRun:
        """Replace a run by what ``change`` makes of it as it stands, and return that."""
        with self._transaction("changing a run in") as connection:
            run = self.run(number)
            if run is None:
                raise unknown_run(number)
            changed = changed_run(run, change(run))
            connection.execute(
                "UPDATE runs SET ending = ?, unsent = ?, value = ? WHERE id = ?",
                (changed.ending, changed.is_unsent, text_of(changed), number),
            )
            return changed

    def run(self, number: int) -> JobRun | None:
        """Return one run of a job."""
        return self._one(JobRun, "SELECT value FROM runs WHERE id = ?", number)

    def runs(
        self, project: str | None = None, environment: str | None = None, job: str | None = None, limit: int = 50
    ) -> Sequence[JobRun]:
        """Return runs of jobs, newest first."""
        where = "(? IS NULL OR project = ?) AND (? IS NULL OR environment = ?) AND (? IS NULL OR job = ?)"
        sql = f"SELECT value FROM runs WHERE {where} ORDER BY id DESC LIMIT ?"
        return self._all(JobRun, sql, project, project, environment, environment, job, job, limit)

    def unfinished_runs(self) -> Sequence[JobRun]:
        """Return runs that have not ended, oldest first."""
        return self._all(JobRun, "SELECT value FROM runs WHERE ending IS NULL ORDER BY id")

    def unsent_runs(self) -> Sequence[JobRun]:
        """Return runs that have ended and whose files are still to be sent to a store, oldest first."""
        return self._all(JobRun, "SELECT value FROM runs WHERE unsent = 1 ORDER BY id")

    def schedules(self) -> Sequence[Schedule]:
        """Return how far each schedule was carried out."""
        return self._all(Schedule, "SELECT value FROM schedules ORDER BY project, environment, job")

    def save_schedule(self, schedule: Schedule) -> None:
        """Insert or replace how far a job's schedule was carried out."""
        with self._transaction("saving a schedule in") as connection:
            connection.execute(
                "INSERT OR REPLACE INTO schedules (project, environment, job, value) VALUES (?, ?, ?, ?)",
                (schedule.project, schedule.environment, schedule.job, text_of(schedule)),
            )

    def end_schedule(self, project: str, environment: str, job: str) -> None:
        """Forget a job's schedule; idempotent."""
        with self._transaction("ending a schedule in") as connection:
            connection.execute(
                "DELETE FROM schedules WHERE project = ? AND environment = ? AND job = ?", (project, environment, job)
            )
