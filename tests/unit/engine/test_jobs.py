"""A run of a job is begun once, watched to its end, judged and recorded, whoever dies meanwhile."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lading.engine.context import Locks
from lading.engine.faults import Fault, Faults, Killed, guard, raise_killed
from lading.engine.jobs import LOOK_EVERY, JobCarrier
from lading.engine.patience import Parked
from lading.engine.retention import KEPT_RUNS, asked
from lading.engine.story import WITHHELD
from lading.engine.world import World
from lading.model.environment import Told
from lading.model.errors import LadingError
from lading.model.jobs import JobRun
from lading.model.manifest import Expect, Volume
from lading.ports.runtime import RunResult
from lading.ports.runtime.memory import MemoryRuntime
from tests.recovery.house import KEY, House
from tests.recovery.releases import PROJECT


class Yard:
    """A house that serves v1, and runs of its job."""

    def __init__(self) -> None:
        self.house = House.build()
        assert self.house.deploy("v1").outcome == "succeeded"
        self.world = self.house.world
        self.runtime: MemoryRuntime = self.world.runtime  # type: ignore[assignment]
        self.stopping = False

    def open(self, **more: Any) -> JobRun:
        serving = self.house.record.serving
        assert serving is not None
        told = {"DATABASE_URL": Told(template="postgresql://shop:{password}@db/shop", secret="TOKEN", version=1)}
        spec = msgspec.structs.replace(
            serving.workers[0], command="settle", volumes={"d": Volume(env="DIR")}, told=told
        )
        return self.house.open_run(spec=spec, **more)

    def carry(self, run: JobRun, world: World | None = None) -> JobRun:
        return JobCarrier(world or self.world, Locks(), lambda: self.stopping).carry(run.id)

    def ends(self, run: JobRun, exit_status: int = 0, output: str = "", *, after: float = 5.0) -> None:
        """Let a run end some seconds from now."""
        clock: Any = self.world.clock
        clock.at(after, lambda: self.runtime.end(run.name, exit_status, output))


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_a_run_succeeds(yard: Yard) -> None:
    """A run that ends with 0 and shows what it has to has succeeded; its time and files are recorded."""
    run = yard.open(args=("--all",))
    yard.ends(run)
    ended = yard.carry(run)
    assert (ended.ending, ended.exit_status, ended.reason) == ("succeeded", 0, "")
    assert ended.seconds == pytest.approx(5.0, abs=LOOK_EVERY)
    assert yard.runtime.begun[run.name].run.args == ("--all",)
    secrets = yard.runtime.begun[run.name].secrets
    assert secrets["TOKEN"].reveal() == "canary-4711"
    assert secrets["DATABASE_URL"].reveal() == "postgresql://shop:canary-4711@db/shop"


def test_a_run_fails_with_its_own_status(yard: Yard) -> None:
    """A run that ends otherwise has failed, and its last line says why, without a secret."""
    run = yard.open()
    yard.ends(run, 3, "cannot settle with canary-4711")
    ended = yard.carry(run)
    assert (ended.ending, ended.exit_status) == ("failed", 3)
    assert "cannot settle" in ended.reason
    assert "canary" not in repr(ended)


@pytest.mark.parametrize(
    ("files", "more", "reason"),
    [
        ({}, {"wanted": {"summary": "summary.json"}}, "summary.json is not there"),
        ({"summary.json": b""}, {"wanted": {"summary": "summary.json"}}, "summary.json is empty"),
        ({"s.json": b'{"failed": 2}'}, {"expect": Expect(files={"s.json": {"failed": 0}})}, "failed is 2, expected 0"),
        ({}, {"expect": Expect(text="all done")}, "does not hold"),
        ({}, {"expect": Expect(exit=4)}, "exit status 0, expected 4"),
    ],
)
def test_what_does_not_show_what_it_must_has_failed(
    yard: Yard, files: dict[str, bytes], more: dict[str, Any], reason: str
) -> None:
    """A job that ends with 0 but leaves not what is expected has failed."""
    run = yard.open(**more)
    yard.world.checks.files(f"/memory/outputs/{run.name}", files)  # type: ignore[attr-defined]
    yard.ends(run)
    ended = yard.carry(run)
    assert (ended.ending, ended.exit_status) == ("failed", 0)
    assert reason in ended.reason


def test_a_run_is_stopped_at_its_limit(yard: Yard) -> None:
    """A run that takes too long is asked to end and recorded as stopped at its limit, not before."""
    run = yard.open(timeout=60.0)
    began = yard.world.clock.monotonic()
    ended = yard.carry(run)
    assert (ended.ending, ended.exit_status) == ("timed_out", -15)
    assert yard.world.clock.monotonic() - began == pytest.approx(60.0, abs=LOOK_EVERY)


def test_a_run_that_was_asked_to_end_is_stopped(yard: Yard) -> None:
    """Whoever stops a run is named; asked before it began, it never begins."""
    run = yard.open()
    clock: Any = yard.world.clock
    clock.at(3.0, lambda: yard.world.journal.change_run(run.id, lambda one: msgspec.structs.replace(one, stop="ada")))
    assert (yard.carry(run).ending, yard.carry(run).reason) == ("stopped", "by ada")
    early = yard.open(stop="ada")
    assert yard.carry(early).ending == "stopped"
    assert early.name not in yard.runtime.begun


def test_what_ended_well_before_its_stop_has_succeeded(yard: Yard) -> None:
    """A stop that came too late changes nothing of how a run ended."""
    run = yard.open()
    yard.runtime.begin_run(asked(run), {})
    yard.runtime.end(run.name, 0)
    yard.world.journal.change_run(run.id, lambda one: msgspec.structs.replace(one, stop="ada", began=1.0))
    assert yard.carry(run).ending == "succeeded"


def test_an_agent_that_ends_lets_go(yard: Yard) -> None:
    """An agent that stops leaves a run running; the next one takes it up and records its end."""
    run = yard.open()
    yard.stopping = True
    with pytest.raises(Parked):
        yard.carry(run)
    assert yard.runtime.begun[run.name].ended is None
    yard.stopping = False
    yard.ends(run)
    assert yard.carry(run).ending == "succeeded"
    assert yard.runtime.recorded.runs.count(run.name) == 1


def test_what_ended_while_no_agent_was_there_is_recorded(yard: Yard) -> None:
    """A run that ended meanwhile is not begun again: its end is recorded as it was."""
    run = yard.open()
    yard.stopping = True
    with pytest.raises(Parked):
        yard.carry(run)
    yard.runtime.end(run.name, 7)
    yard.stopping = False
    ended = yard.carry(run)
    assert (ended.ending, ended.exit_status) == ("failed", 7)
    assert yard.runtime.recorded.runs.count(run.name) == 1


def test_a_machine_that_goes_down_interrupts(yard: Yard) -> None:
    """A run that the machine took along is recorded as interrupted and is not begun again."""
    run = yard.open()
    clock: Any = yard.world.clock
    clock.at(3.0, yard.runtime.reboot)
    ended = yard.carry(run)
    assert (ended.ending, ended.exit_status) == ("interrupted", None)
    assert "machine" in ended.reason
    assert yard.carry(run) == ended
    assert yard.runtime.recorded.runs.count(run.name) == 1


def test_what_cannot_start_has_failed(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that is not there is the end of the run, with the reason."""

    def refuse(*_asked: object) -> None:
        raise LadingError("start-failed", happened="there is no program 'settle'", hint="bring it")

    monkeypatch.setattr(yard.runtime, "begin_run", refuse)
    ended = yard.carry(yard.open())
    assert (ended.ending, ended.exit_status) == ("failed", None)
    assert "no program 'settle'; bring it" in ended.reason


def test_a_run_that_was_begun_is_watched_without_its_secrets(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs needs no secret: one that cannot be had when the next agent comes ends nothing."""
    run = yard.open()
    yard.stopping = True
    with pytest.raises(Parked):
        yard.carry(run)
    yard.stopping = False
    monkeypatch.setattr(yard.world.secrets, "get", lambda *_: raise_missing())
    yard.ends(run)
    assert yard.carry(run).ending == "succeeded"
    late = yard.carry(yard.open())
    assert (late.ending, "TOKEN is gone" in late.reason) == ("failed", True)


def raise_missing() -> None:
    raise LadingError("secret-missing", happened="TOKEN is gone")


def test_no_reason_tells_a_secret(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the words of what nobody foresaw are masked, and left out while the secrets to mask cannot be read."""
    carrier = JobCarrier(yard.world, Locks(), lambda: False)
    told = carrier.give_up(yard.open().id, RuntimeError("no such user: canary-4711")).reason
    assert told.startswith("RuntimeError: no such user")
    assert "canary" not in told
    monkeypatch.setattr(yard.world.secrets, "all_values", raise_missing)
    assert carrier.give_up(yard.open().id, RuntimeError("canary-4711")).reason == WITHHELD


def test_an_engine_that_is_away_ends_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a run cannot be begun or looked at, it waits for whoever mends that; its end is recorded afterwards."""

    def away(*_asked: object, **_more: object) -> None:
        raise LadingError("no-engine", happened="no container engine answers", hint="start it")

    run = yard.open()
    for method in ("begin_run", "run_end"):
        with monkeypatch.context() as patch:
            patch.setattr(yard.runtime, method, away)
            with pytest.raises(Parked):
                yard.carry(run)
    assert yard.world.journal.run(run.id).ending is None  # type: ignore[union-attr]
    yard.ends(run)
    assert yard.carry(run).ending == "succeeded"
    assert yard.runtime.recorded.runs.count(run.name) == 1


def test_nothing_begins_while_a_database_is_migrated(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a hold goes on a run waits, as it could write to what may be restored."""
    monkeypatch.setattr(yard.runtime, "unsettled", lambda marker: ("hold",) if marker == KEY else ())
    monkeypatch.setattr(yard.runtime, "settle", lambda _name: None)
    run = yard.open()
    with pytest.raises(Parked):
        yard.carry(run)
    assert run.name not in yard.runtime.begun


def test_output_and_files_of_old_runs_go(yard: Yard) -> None:
    """Of each job the last runs are kept; the history of the others stays, without output and files."""
    yard.runtime.script_run("settle", RunResult(exit_status=0, output="", outputs="", seconds=0.0))
    runs = [yard.carry(yard.open()) for _ in range(KEPT_RUNS + 2)]
    kept = [run.id for run in yard.world.journal.runs() if run.kept]
    assert kept == [run.id for run in reversed(runs)][:KEPT_RUNS]
    assert set(yard.runtime.begun) == {run.name for run in runs[2:]}
    assert len(yard.world.journal.runs()) == KEPT_RUNS + 2


def test_a_running_job_keeps_its_release(yard: Yard) -> None:
    """What a run was begun from is not pruned while it goes on, however many releases come; then it is."""
    run = yard.open()
    yard.stopping = True
    with pytest.raises(Parked):
        yard.carry(run)
    yard.stopping = False
    release = yard.world.journal.release(PROJECT, "v1")
    assert release is not None
    digest = release.artifacts[0].digest
    for number in range(13, 26):
        assert yard.house.deploy(f"v{number}.0").outcome == "succeeded"
    assert digest in yard.runtime.prepared
    assert yard.runtime.begun[run.name].ended is None
    yard.runtime.end(run.name, 0)
    assert yard.carry(run).ending == "succeeded"
    yard.house.deploy("v26.0")
    assert digest not in yard.runtime.prepared


def points() -> list[tuple[str, int]]:
    """Return every visit of a fault point that a run has."""
    yard = Yard()
    faults = Faults()
    run = yard.open(timeout=2.0)
    yard.carry(run, guard(yard.world, faults))
    return [(point, at) for point, count in sorted(faults.visits.items()) for at in {1, 2, count // 2, count} if at > 0]


@pytest.mark.parametrize(("point", "at"), points())
def test_killed_anywhere(point: str, at: int) -> None:
    """An agent killed at any point leaves a run that its successor brings to the same end, begun once."""
    yard = Yard()
    run = yard.open(timeout=2.0)
    faulty = guard(yard.world, Faults((Fault(point=point, act="kill", at=at),), kill=raise_killed))
    ended = _persist(lambda: yard.carry(run, faulty))
    assert ended.ending == "timed_out"
    assert yard.runtime.recorded.runs.count(run.name) == 1


@pytest.mark.parametrize(("point", "at"), [one for one in points() if "journal" in one[0]])
def test_a_journal_that_fails_once(point: str, at: int) -> None:
    """A journal that heals costs a run nothing."""
    yard = Yard()
    run = yard.open(timeout=2.0)
    faulty = guard(yard.world, Faults((Fault(point=point, act="fail", at=at, code="no-space"),)))
    assert _persist(lambda: yard.carry(run, faulty)).ending == "timed_out"
    assert yard.runtime.recorded.runs.count(run.name) == 1


def _persist(carry: Callable[[], JobRun]) -> JobRun:
    for _ in range(8):
        try:
            return carry()
        except (Killed, Parked):
            continue
    raise AssertionError("the run does not come to its end")
