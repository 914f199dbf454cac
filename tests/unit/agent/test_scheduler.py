"""Jobs run by their schedules: each moment once, none silently left out, whoever dies and whatever the clock does."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from lading.agent.jobs import Jobs
from lading.agent.scheduler import Scheduler
from lading.engine.context import Locks
from lading.engine.faults import Fault, Faults, Killed, guard, raise_killed
from lading.engine.world import World
from lading.model.environment_table import Environment, Strategy
from lading.model.errors import LadingError
from lading.model.jobs import JobRun
from lading.model.manifest import Job, Manifest
from lading.ports.clock.memory import MemoryClock
from lading.ports.runtime import RunResult
from tests.recovery import releases
from tests.recovery.house import ENVIRONMENT, House
from tests.recovery.releases import PROJECT
from tests.support import until

HOUR = 3600.0
ON = Environment(strategy=Strategy(watch=0.0, keep_previous=0.0), schedules=True)
OFF = Environment(strategy=Strategy(watch=0.0, keep_previous=0.0))


class Tower:
    """A house whose release has a job with a schedule, and the scheduler that looks at its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **job: Any) -> None:
        self._monkeypatch = monkeypatch
        self.say(**job)
        self.house = House.build()
        self.world = self.house.world
        self.clock: MemoryClock = self.world.clock  # type: ignore[assignment]
        # Half past the hour: the next moment of @hourly is half an hour away.
        self.clock.jump(-(self.clock.now() % HOUR) + HOUR / 2)
        self.runtime: Any = self.world.runtime
        self.runtime.script_run("settle", RunResult(exit_status=0, output="", outputs="", seconds=0.0))
        self.jobs: list[Jobs] = []

    def say(self, **job: Any) -> None:
        """Let releases from now on have this job, or none."""
        jobs = (
            {"settle": Job(command="settle", build="app", **{"schedule": "@hourly", **job})} if job != {"no": 1} else {}
        )
        plain = self.__dict__.setdefault("plain", releases.manifest())
        made: Manifest = msgspec.structs.replace(plain, jobs=jobs)
        self._monkeypatch.setattr(releases, "manifest", lambda: made)

    def deploy(self, version: str, table: Environment = ON) -> None:
        assert self.house.carry(self.house.open_deploy(version, table)).outcome == "succeeded"

    def scheduler(self, world: World | None = None) -> Scheduler:
        """Return the scheduler of a new agent."""
        self.jobs.append(Jobs(world or self.world, Locks(), dict))
        return Scheduler(world or self.world, self.jobs[-1])

    def pass_time(self, scheduler: Scheduler, seconds: float, step: float = 10.0) -> None:
        """Look once every ten seconds while time passes, and let what began come to its end."""
        passed = 0.0
        while passed < seconds:
            self.clock.advance(step)
            passed += step
            scheduler.look()
            self.settle()

    def settle(self) -> None:
        until(lambda: not self._ending())

    def _ending(self) -> list[JobRun]:
        begun = self.runtime.begun
        return [
            run
            for run in self.world.journal.unfinished_runs()
            if run.name not in begun or begun[run.name].ended is not None
        ]

    def runs(self) -> list[JobRun]:
        """Return the runs, oldest first."""
        return list(reversed(self.world.journal.runs()))

    def told(self) -> list[tuple[str | None, str, int]]:
        return [(run.ending, run.trigger, run.slots) for run in self.runs()]

    def end(self) -> None:
        for jobs in self.jobs:
            jobs.stop()


@pytest.fixture
def tower(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tower]:
    made = Tower(monkeypatch)
    yield made
    made.end()


def test_a_job_runs_by_its_schedule(tower: Tower) -> None:
    """Each moment has one run, begun when it comes, of the release that serves."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    began = tower.clock.now()
    scheduler.look()
    tower.pass_time(scheduler, 3 * HOUR)
    assert tower.told() == [("succeeded", "schedule", 0)] * 3
    assert [run.slot for run in tower.runs()] == [began - began % HOUR + HOUR * number for number in (1, 2, 3)]
    assert {run.release for run in tower.runs()} == {"v1"}
    assert all(run.created - (run.slot or 0) <= 10 for run in tower.runs())


def test_schedules_are_off_outside_production(tower: Tower) -> None:
    """Stage runs nothing by itself unless its table says so; production does."""
    tower.deploy("v1", OFF)
    scheduler = tower.scheduler()
    tower.pass_time(scheduler, 2 * HOUR, HOUR / 4)
    assert tower.runs() == []
    tower.deploy("v2", msgspec.structs.replace(OFF, tier="production"))
    scheduler.look()
    tower.pass_time(scheduler, HOUR, HOUR / 60)
    assert len(tower.runs()) == 1


def test_a_short_absence_is_no_miss(tower: Tower) -> None:
    """An agent that is back within a minute of the moment begins the run, in time."""
    tower.deploy("v1")
    tower.scheduler().look()
    tower.clock.advance(HOUR / 2 + 50)
    tower.scheduler().look()
    tower.settle()
    assert tower.told() == [("succeeded", "schedule", 0)]


def test_what_was_missed_is_reported(tower: Tower) -> None:
    """An agent that was away for hours says how many moments it missed, and runs none of them."""
    tower.deploy("v1")
    tower.scheduler().look()
    tower.clock.advance(5 * HOUR + 600)
    scheduler = tower.scheduler()
    scheduler.look()
    scheduler.look()
    assert tower.told() == [("missed", "schedule", 5)]
    assert "no agent was running" in tower.runs()[0].reason
    tower.pass_time(scheduler, HOUR)
    assert tower.told() == [("missed", "schedule", 5), ("succeeded", "schedule", 0)]


def test_what_was_missed_is_made_up_for_by_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """With catch_up, one run makes up for all that were missed; that they were is reported too."""
    tower = Tower(monkeypatch, catch_up=True)
    tower.deploy("v1")
    tower.scheduler().look()
    tower.clock.advance(5 * HOUR + 600)
    scheduler = tower.scheduler()
    scheduler.look()
    tower.settle()
    scheduler.look()
    assert tower.told() == [("missed", "schedule", 4), ("succeeded", "catch-up", 0)]
    tower.end()


def test_runs_of_one_schedule_do_not_overlap(tower: Tower) -> None:
    """While a run goes on the next moment is missed, and says which run it was."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    idle(tower.jobs[0])
    scheduler.look()
    tower.clock.advance(HOUR / 2)
    scheduler.look()
    tower.clock.advance(2 * HOUR)
    scheduler.look()
    held, missed = tower.runs()
    assert (held.ending, missed.ending, missed.slots) == (None, "missed", 2)
    assert f"run {held.id} still ran" in missed.reason
    finish(tower)
    tower.clock.advance(HOUR)
    scheduler.look()
    assert [run.ending for run in tower.runs()] == ["succeeded", "missed", None]


def test_what_could_not_overlap_is_made_up_for_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """With catch_up, a moment that came while a run went on is run once that has ended."""
    tower = Tower(monkeypatch, catch_up=True)
    tower.deploy("v1")
    scheduler = tower.scheduler()
    idle(tower.jobs[0])
    scheduler.look()
    tower.clock.advance(HOUR / 2)
    scheduler.look()
    tower.clock.advance(HOUR + 300)
    scheduler.look()
    assert len(tower.runs()) == 1
    finish(tower)
    scheduler.look()
    assert [(run.ending, run.trigger) for run in tower.runs()] == [("succeeded", "schedule"), (None, "catch-up")]


def idle(jobs: Jobs) -> None:
    """Let nobody carry runs: they go on until the test ends them."""
    jobs._carriers.carry = lambda number: None  # type: ignore[method-assign, assignment]


def finish(tower: Tower) -> None:
    """End every run that goes on."""
    for run in tower.world.journal.unfinished_runs():
        tower.world.journal.change_run(run.id, lambda one: msgspec.structs.replace(one, ending="succeeded"))


def test_the_clock_goes_back(tower: Tower) -> None:
    """After the clock was set back no moment runs a second time, and later ones run when they come."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    scheduler.look()
    tower.pass_time(scheduler, 2 * HOUR)
    assert len(tower.runs()) == 2
    tower.clock.jump(-2 * HOUR)
    tower.pass_time(scheduler, 2 * HOUR)
    assert len(tower.runs()) == 2
    tower.pass_time(scheduler, HOUR)
    assert tower.told() == [("succeeded", "schedule", 0)] * 3


def test_the_clock_leaps_forward(tower: Tower) -> None:
    """What a leap of the clock passed over is reported as missed."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    scheduler.look()
    tower.clock.jump(10 * HOUR)
    scheduler.look()
    assert tower.told() == [("missed", "schedule", 10)]


def test_a_clock_that_was_wrong_by_years_does_not_silence_a_job(tower: Tower) -> None:
    """A clock that once stood years ahead and was set right leaves the schedule running."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    scheduler.look()
    tower.clock.jump(5 * 365 * 24 * HOUR)
    scheduler.look()
    tower.clock.jump(-5 * 365 * 24 * HOUR)
    scheduler.look()
    tower.pass_time(scheduler, HOUR)
    assert [run.ending for run in tower.runs()][-1] == "succeeded"


def test_the_schedule_follows_the_cutover(tower: Tower) -> None:
    """With a release the old schedule ends and the new one begins; the same schedule goes on without a gap."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    scheduler.look()
    tower.pass_time(scheduler, HOUR / 4)
    tower.deploy("v2")
    tower.pass_time(scheduler, HOUR / 2)
    assert [(run.release, run.ending) for run in tower.runs()] == [("v2", "succeeded")]
    tower.say(no=1)
    tower.deploy("v3")
    tower.pass_time(scheduler, 2 * HOUR)
    assert len(tower.runs()) == 1
    assert list(tower.world.journal.schedules()) == []
    tower.say(schedule="*/30 * * * *")
    tower.deploy("v4")
    scheduler.look()
    tower.pass_time(scheduler, HOUR)
    assert [run.release for run in tower.runs()] == ["v2", "v4", "v4"]


def test_an_environment_that_is_down_runs_nothing(tower: Tower) -> None:
    """What was taken down has no schedule, and misses nothing while it is down."""
    tower.deploy("v1")
    scheduler = tower.scheduler()
    scheduler.look()
    tower.world.journal.save_environment(msgspec.structs.replace(tower.house.record, serving=None, stopped=1.0))
    tower.pass_time(scheduler, 3 * HOUR, HOUR / 4)
    assert tower.runs() == []
    assert list(tower.world.journal.schedules()) == []


def test_one_jobs_trouble_keeps_no_other_from_running(
    tower: Tower, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A schedule that cannot be read is said once, and the others run."""
    tower.deploy("v1")
    record = tower.house.record
    assert record.serving is not None
    manifest = record.serving.release.manifest
    jobs = {"broken": msgspec.structs.replace(manifest.jobs["settle"], timezone="Nowhere/Land"), **manifest.jobs}
    release = msgspec.structs.replace(record.serving.release, manifest=msgspec.structs.replace(manifest, jobs=jobs))
    serving = msgspec.structs.replace(record.serving, release=release)
    tower.world.journal.save_environment(msgspec.structs.replace(record, serving=serving))
    scheduler = tower.scheduler()
    scheduler.look()
    tower.pass_time(scheduler, HOUR, 60.0)
    assert [run.job for run in tower.runs()] == ["settle"]
    assert sum("broken" in line.message for line in caplog.records) == 1


def test_missed_moments_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when an agent dies after it told of them, and the next one comes after a further moment."""
    tower = Tower(monkeypatch, catch_up=True)
    tower.deploy("v1")
    tower.scheduler().look()
    tower.clock.advance(3 * HOUR)
    dying = tower.scheduler()
    monkeypatch.setattr(tower.jobs[-1], "open", lambda *_, **__: raise_killed())
    with pytest.raises(Killed):
        dying.look()
    tower.clock.advance(HOUR)
    tower.scheduler().look()
    tower.settle()
    assert tower.told() == [("missed", "schedule", 2), ("missed", "schedule", 1), ("succeeded", "catch-up", 0)]
    tower.end()


def points() -> list[tuple[str, int]]:
    with pytest.MonkeyPatch.context() as patch:
        tower = Tower(patch, catch_up=True)
        tower.deploy("v1")
        faults = Faults()
        _hours(tower, guard(tower.world, faults))
        tower.end()
    return [(point, at) for point, count in sorted(faults.visits.items()) for at in {1, 2, count} if "journal" in point]


def _hours(tower: Tower, world: World) -> None:
    """Let an agent look at three moments, two of them missed; one that dies is followed by another."""
    jobs = Jobs(world, Locks(), dict)
    # So that their threads do not take the faults that are meant for the scheduler.
    idle(jobs)
    scheduler = Scheduler(world, jobs)
    for seconds in (0.0, HOUR / 2, 2 * HOUR + 300, 10.0):
        tower.clock.advance(seconds)
        for _ in range(2):  # the first of them may meet the fault
            try:
                scheduler.look()
            except (Killed, LadingError):
                scheduler = Scheduler(world, jobs)
        finish(tower)


@pytest.mark.parametrize("act", ["kill", "fail"])
@pytest.mark.parametrize(("point", "at"), points())
def test_killed_anywhere(monkeypatch: pytest.MonkeyPatch, point: str, at: int, act: str) -> None:
    """An agent killed (or refused by its journal) at any point neither runs a moment twice nor leaves one out."""
    tower = Tower(monkeypatch, catch_up=True)
    tower.deploy("v1")
    faults = Faults((Fault(point=point, act=act, at=at, code="no-space"),), kill=raise_killed)
    _hours(tower, guard(tower.world, faults))
    runs = tower.runs()
    assert [(run.ending, run.trigger, run.slots) for run in runs] == [
        ("succeeded", "schedule", 0),
        ("missed", "schedule", 1),
        ("succeeded", "catch-up", 0),
    ]
    slots = [run.slot or 0.0 for run in runs]
    assert [later - earlier for earlier, later in pairwise(slots)] == [HOUR, HOUR]
    assert {(run.project, run.environment) for run in runs} == {(PROJECT, ENVIRONMENT)}
