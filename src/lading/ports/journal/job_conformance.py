"""What every Journal must keep about runs of jobs and their schedules."""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec

from lading.model.environment_table import ObjectStore
from lading.model.jobs import JobRun, OutputFile, Schedule, Sending
from lading.ports.journal import Journal
from lading.ports.journal.samples import unit
from lading.ports.journal.trials import AT, at_once, refusal


def opening(job: str = "settle", **more: Any) -> Callable[[int], JobRun]:
    """Return what makes a run of cashback's job in stage."""

    def make(number: int) -> JobRun:
        given: dict[str, Any] = {"spec": unit().instances[0], "args": ("--day", "7"), "environment": "stage", **more}
        return JobRun(
            id=number,
            project="cashback",
            job=job,
            release="v1.0.0",
            trigger="asked",
            requested_by="anna",
            created=AT,
            **given,
        )

    return make


def schedule(considered: float = AT, job: str = "settle") -> Schedule:
    """Return how far a schedule was carried out."""
    return Schedule(
        project="cashback", environment="stage", job=job, line="0 3 * * *", timezone="UTC", considered=considered
    )


class JobConformance:
    """The promises about runs and schedules."""

    def again(self, journal: Journal) -> Journal:
        """Return the journal as a later agent opens it; an adapter with a file closes and reopens it here."""
        return journal

    def test_a_run_is_kept_as_it_was_pinned(self, journal: Journal) -> None:
        """A run keeps all that it was opened with, under a number that is never given out twice."""
        first, second = journal.open_run(opening()), journal.open_run(opening("report", environment="production"))
        assert (first.id, second.id) == (1, 2)
        journal = self.again(journal)
        assert journal.run(1) == first == opening()(1)
        assert journal.run(3) is None
        assert list(journal.runs()) == [second, first]
        assert list(journal.runs("cashback", "stage")) == [first]
        assert list(journal.runs(job="report")) == [second]
        assert list(journal.runs(limit=1)) == [second]
        assert list(journal.unfinished_runs()) == [first, second]

    def test_a_run_is_changed_as_it_stands(self, journal: Journal) -> None:
        """Who asks a run to end and who records its end at the same time both leave their word."""
        journal.open_run(opening())
        replace = msgspec.structs.replace
        asked = journal.change_run(1, lambda run: replace(run, stop="ben"))
        assert asked.stop == "ben"
        files = (OutputFile(path="a/b.json", size=3),)
        journal.change_run(1, lambda run: replace(run, ending="stopped", exit_status=-15, outputs=files))
        ended = self.again(journal).run(1)
        assert ended is not None
        assert (ended.stop, ended.ending, ended.exit_status, ended.outputs) == ("ben", "stopped", -15, files)

    def test_changes_at_once_lose_none(self, journal: Journal) -> None:
        """Changes of one run by several threads follow one another."""
        journal.open_run(opening())

        def change(index: int) -> object:
            return journal.change_run(1, lambda run: msgspec.structs.replace(run, args=(*run.args, str(index))))

        at_once(5, change)
        run = journal.run(1)
        assert run is not None
        assert sorted(run.args[2:]) == ["0", "1", "2", "3", "4"]

    def test_a_run_ends_once(self, journal: Journal) -> None:
        """What has ended never ends otherwise; what is only noted of it afterwards may be."""
        journal.open_run(opening())
        journal.change_run(1, lambda run: msgspec.structs.replace(run, ending="succeeded"))
        assert list(journal.unfinished_runs()) == []
        error = refusal(lambda: journal.change_run(1, lambda run: msgspec.structs.replace(run, ending="failed")))
        assert "succeeded" in str(error)
        assert journal.change_run(1, lambda run: msgspec.structs.replace(run, kept=False)).kept is False
        assert refusal(lambda: journal.change_run(2, lambda run: run)).code == "unknown-run"

    def test_runs_with_files_to_send_are_found(self, journal: Journal) -> None:
        """From its end until its files are in the store a run is among those that are to be sent, in any later life."""
        sending = Sending(store=ObjectStore(store="s3://kept/outputs"), place="1-ab12")
        for number in (1, 2, 3):
            journal.open_run(opening(sending=sending if number < 3 else None))
        assert list(journal.unsent_runs()) == []
        for number in (1, 2, 3):
            journal.change_run(number, lambda run: msgspec.structs.replace(run, ending="succeeded"))
        journal = self.again(journal)
        assert [run.id for run in journal.unsent_runs()] == [1, 2]
        assert journal.unsent_runs()[0].sending == sending
        done = msgspec.structs.replace(sending, done=True)
        journal.change_run(1, lambda run: msgspec.structs.replace(run, sending=done))
        assert [run.id for run in self.again(journal).unsent_runs()] == [2]

    def test_a_slot_has_one_run(self, journal: Journal) -> None:
        """A moment of a schedule is run once, whoever asks how often; other jobs and environments have it too."""
        first = journal.open_run(opening(slot=AT))
        assert self.again(journal).open_run(opening(slot=AT)) == first
        assert self.again(journal).open_run(opening("report", slot=AT)).id == 2
        assert self.again(journal).open_run(opening(environment="production", slot=AT)).id == 3
        assert self.again(journal).open_run(opening(slot=AT + 60)).id == 4
        assert [self.again(journal).open_run(opening()).id for _ in range(2)] == [5, 6]

    def test_a_schedule_moves_with_its_run(self, journal: Journal) -> None:
        """How far a schedule is carried out is noted together with the run that it opened."""
        journal.save_schedule(schedule(AT))
        journal.save_schedule(schedule(AT, "report"))
        journal.open_run(opening(slot=AT + 60), schedule(AT + 60))
        journal = self.again(journal)
        assert list(journal.schedules()) == [schedule(AT, "report"), schedule(AT + 60)]
        journal.end_schedule("cashback", "stage", "settle")
        journal.end_schedule("cashback", "stage", "settle")
        assert list(self.again(journal).schedules()) == [schedule(AT, "report")]

    def test_nothing_is_noted_for_a_run_that_cannot_be_made(self, journal: Journal) -> None:
        """A run that fails to be made leaves neither itself nor its schedule's step."""

        def fail(number: int) -> JobRun:
            raise ValueError(number)

        journal.save_schedule(schedule(AT))
        with contextlib.suppress(ValueError):
            journal.open_run(fail, schedule(AT + 60))
        assert list(journal.schedules()) == [schedule(AT)]
        assert list(journal.runs()) == []
