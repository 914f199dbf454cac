"""Files of a run get to its environment's object store, each once, whoever dies and whatever fails meanwhile."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lading.engine.faults import Fault, Faults, Killed, guard, raise_killed
from lading.engine.patience import Parked
from lading.engine.retention import KEPT_RUNS, retire
from lading.engine.sending import FIRST_PAUSE, LAST_PAUSE, Sender, opened
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord
from lading.model.environment_table import Environment, ObjectStore, Strategy
from lading.model.errors import LadingError
from lading.model.jobs import JobRun, OutputFile, Sending
from lading.model.secret import Secret
from lading.ports.objects.memory import MemoryObjects
from tests.recovery.house import ENVIRONMENT, KEY, House
from tests.recovery.releases import PROJECT
from tests.runs import ended_run

STORE = ObjectStore(store="s3://kept/lading", endpoint="https://s3.example.org")
FILES = {"summary.json": b'{"failed": 0}', "pages/one.md": b"# one", "empty": b""}
BELOW = "s3://kept/lading/shop/stage/settle/1-ab12"


class Yard:
    """A house whose environment has a store, and a run that has ended."""

    def __init__(self) -> None:
        self.house = House.build()
        self.world = self.house.world
        self.objects: MemoryObjects = self.world.objects  # type: ignore[assignment]
        self.set_keys(*self.objects.keys)
        self.serve(STORE)
        self.files = dict(FILES)
        self.stopping = False
        self.reads: list[str] = []

    def serve(self, store: ObjectStore | None) -> None:
        self.house.deploy("v1", Environment(strategy=Strategy(watch=1.0), outputs=store))

    def set_keys(self, access: str, secret: str) -> None:
        keys = {"AWS_ACCESS_KEY_ID": Secret(access), "AWS_SECRET_ACCESS_KEY": Secret(secret)}
        self.world.secrets.put(KEY, keys)

    def ended(self, files: dict[str, bytes] | None = None, **more: Any) -> JobRun:
        serving = self.house.record.serving
        assert serving is not None

        def make(number: int) -> JobRun:
            given: dict[str, Any] = {"sending": Sending(store=STORE, place="1-ab12"), **more}
            found = [
                OutputFile(path=path, size=len(content))
                for path, content in (FILES if files is None else files).items()
            ]
            return ended_run(number, environment=ENVIRONMENT, spec=serving.workers[0], outputs=tuple(found), **given)

        return self.world.journal.open_run(make)

    def read(self, run: JobRun, path: str) -> tuple[int, Iterator[bytes]]:
        self.reads.append(path)
        if path not in self.files:
            raise LadingError("unknown-output", happened=f"{path} cannot be read any more")
        return len(self.files[path]), iter([self.files[path]])

    def carry(self, run: JobRun, world: World | None = None) -> JobRun:
        return Sender(world or self.world, self.read, lambda: self.stopping).carry(run.id)

    def carry_through(self, run: JobRun, world: World) -> JobRun:
        """Carry a run as agents that die, or park, and come back would."""
        for _ in range(10):
            try:
                found = self.carry(run, world)
            except Killed:
                continue
            except Parked:
                world = self.world
                continue
            if not found.is_unsent:
                return found
        raise AssertionError("it was never sent")


@pytest.fixture
def yard() -> Yard:
    return Yard()


def test_files_are_sent_and_named(yard: Yard) -> None:
    """Every file is in the store under a key of its own run, and the run's record says where, with its digest."""
    run = yard.carry(yard.ended())
    assert yard.objects.objects == {f"{BELOW}/{path}": content for path, content in FILES.items()}
    assert [file.url for file in run.outputs] == [f"{BELOW}/{path}" for path in FILES]
    assert all(len(file.sha256) == 64 for file in run.outputs)
    assert (run.ending, run.unsent, run.is_unsent, run.kept) == ("succeeded", (), False, True)
    assert list(yard.world.journal.unsent_runs()) == []


def test_what_is_sent_is_sent_once(yard: Yard) -> None:
    """Carrying again asks the store nothing."""
    run = yard.carry(yard.ended())
    asked = len(yard.objects.asked)
    assert yard.carry(run) == run
    assert len(yard.objects.asked) == asked


def test_a_run_without_files_needs_no_store(yard: Yard) -> None:
    """Where nothing is to be sent, no secret and no store is needed."""
    yard.set_keys("", "")
    assert yard.carry(yard.ended({})).is_unsent is False
    assert yard.objects.asked == []


def test_what_fails_is_put_off_and_changes_no_verdict(yard: Yard) -> None:
    """A store that does not answer leaves the files where they are, the reason, and the next moment to try."""
    yard.objects.trouble = "it cannot be reached: Connection refused"
    run = yard.ended()
    pauses = []
    for tries in range(1, 12):
        found = yard.carry(run)
        assert found.sending is not None
        assert (found.ending, found.sending.tries, len(found.unsent)) == ("succeeded", tries, 3)
        assert "Connection refused" in found.sending.trouble
        pauses.append(found.sending.again - yard.world.clock.now())
    assert pauses[:3] == pytest.approx([FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE], abs=0.01)
    assert pauses[-1] == pytest.approx(LAST_PAUSE, abs=0.01)
    yard.objects.trouble = ""
    done = yard.carry(run)
    assert done.sending == Sending(store=STORE, place="1-ab12", done=True)


def test_a_store_that_is_away_for_weeks(yard: Yard) -> None:
    """The pause stays the longest, however often it was tried."""
    yard.objects.trouble = "it cannot be reached: Connection refused"
    run = yard.ended()
    yard.carry(run)

    def late(run: JobRun) -> JobRun:
        assert run.sending is not None
        return msgspec.structs.replace(run, sending=msgspec.structs.replace(run.sending, tries=5000))

    yard.world.journal.change_run(run.id, late)
    found = yard.carry(run)
    assert found.sending is not None
    assert found.sending.again - yard.world.clock.now() == pytest.approx(LAST_PAUSE, abs=0.01)


def test_secrets_that_are_not_set_are_named(yard: Yard) -> None:
    """Without what opens the store nothing is asked of it, and the reason names what to set."""
    yard.set_keys("id", "")
    found = yard.carry(yard.ended())
    assert found.sending is not None
    assert "lading secrets set stage AWS_SECRET_ACCESS_KEY" in found.sending.trouble
    assert "AWS_ACCESS_KEY_ID" not in found.sending.trouble
    assert yard.objects.asked == []


def test_a_key_that_was_mended_is_used(yard: Yard) -> None:
    """What was refused for its key goes with the key that was set since; no reason shows either."""
    yard.set_keys("id-4711-other", "key-4711-other")
    run = yard.ended()
    assert len(yard.carry(run).unsent) == 3
    yard.set_keys(*yard.objects.keys)
    found = yard.carry(run)
    assert found.unsent == ()
    assert "4711" not in repr(found)


def test_a_reason_holds_no_secret(yard: Yard) -> None:
    """A store that repeats a key is masked in what is kept and told."""
    yard.objects.trouble = f"who is {yard.objects.keys[1]}?"
    found = yard.carry(yard.ended())
    assert found.sending is not None
    assert found.sending.trouble.startswith("who is •••?")


def test_a_place_that_was_mended_is_used(yard: Yard) -> None:
    """Until the first file is there, what goes astray follows the environment's configuration of now."""
    yard.objects.trouble = "no such bucket"
    run = yard.ended()
    yard.carry(run)
    yard.objects.trouble = ""
    yard.serve(msgspec.structs.replace(STORE, store="s3://right"))
    found = yard.carry(run)
    assert found.outputs[0].url == "s3://right/shop/stage/settle/1-ab12/summary.json"
    assert found.sending is not None
    assert found.sending.store.store == "s3://right"


def test_files_of_a_run_stay_together(yard: Yard) -> None:
    """Once a file is there the others follow it, whatever the configuration says meanwhile; without any, too."""
    run = yard.ended()
    faults = Faults((Fault(point="objects.put:before", act="fail", code="store-failed", at=2),))
    assert len(yard.carry(run, guard(yard.world, faults)).unsent) == 2
    yard.serve(None)
    found = yard.carry(run)
    assert {file.url.rpartition("1-ab12")[0] for file in found.outputs} == {BELOW.removesuffix("1-ab12")}


def test_what_nobody_can_read_any_more_is_said_and_holds_up_nothing(yard: Yard) -> None:
    """A file that somebody removed on the host is noted as lost; the others are sent."""
    del yard.files["pages/one.md"]
    found = yard.carry(yard.ended())
    assert [bool(file.url) for file in found.outputs] == [True, False, True]
    assert "cannot be read any more" in found.outputs[1].lost
    assert found.is_unsent is False


def test_what_cannot_be_read_now_is_put_off(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk in trouble is no loss: the file is tried again."""

    def broken(run: JobRun, path: str) -> tuple[int, Iterator[bytes]]:
        raise OSError(5, "Input/output error")

    run = yard.ended()
    found = Sender(yard.world, broken, lambda: False).carry(run.id)
    assert found.sending is not None
    assert "Input/output error" in found.sending.trouble
    assert yard.carry(run).unsent == ()


def test_an_object_of_somebody_else_is_not_replaced(yard: Yard) -> None:
    """What lies there already with other content stays, and the run says so."""
    yard.objects.objects[f"{BELOW}/summary.json"] = b"mine"
    found = yard.carry(yard.ended())
    assert found.sending is not None
    assert "already" in found.sending.trouble
    assert yard.objects.objects[f"{BELOW}/summary.json"] == b"mine"


def test_an_agent_that_ends_lets_go(yard: Yard) -> None:
    """An agent that stops in the middle of a file ends at once; the next one sends it."""
    run = yard.ended()
    yard.stopping = True
    with pytest.raises(Parked):
        yard.carry(run)
    yard.stopping = False
    assert yard.carry(run).unsent == ()
    assert yard.world.journal.run(run.id).sending.tries == 0  # type: ignore[union-attr]


def test_what_waits_is_kept_until_it_is_sent(yard: Yard) -> None:
    """Files that are not in the store yet outlast the usual number of runs; once sent, they go as all others do."""
    old = yard.ended()
    for _ in range(KEPT_RUNS + 1):
        last = yard.ended(sending=None)
    retire(yard.world, last)
    kept = {run.id: run.kept for run in yard.world.journal.runs(limit=100)}
    assert (kept[old.id], kept[old.id + 1], kept[last.id]) == (True, False, True)
    assert yard.carry(old).unsent == ()
    found = yard.world.journal.run(old.id)
    assert found is not None
    assert (found.kept, found.outputs[0].url != "") == (False, True)


def points() -> list[tuple[str, int]]:
    """Return every visit of every point while a run is sent."""
    yard, faults = Yard(), Faults()
    yard.carry(yard.ended(), guard(yard.world, faults))
    return [(point, at) for point, visits in faults.visits.items() for at in range(1, visits + 1)]


@pytest.mark.parametrize("act", ["kill", "fail"])
def test_whoever_dies_anywhere_every_file_is_sent_once(act: str) -> None:
    """An agent that is killed, or whose act fails, at any point leaves nothing unsent, doubled, replaced or lost."""
    cases = points()
    assert len(cases) > 20
    for point, at in cases:
        yard = Yard()
        run = yard.ended()
        faults = Faults((Fault(point=point, act=act, at=at, code="store-failed"),), kill=raise_killed)
        found = yard.carry_through(run, guard(yard.world, faults))
        assert yard.objects.objects == {f"{BELOW}/{path}": content for path, content in FILES.items()}, (point, at)
        assert [file.url for file in found.outputs] == [f"{BELOW}/{path}" for path in FILES], (point, at)
        assert (found.ending, found.kept) == ("succeeded", True)


def test_opening_names_all_that_is_missing(yard: Yard) -> None:
    """Both secrets are named at once, with the commands that set them."""
    yard.set_keys("", "")
    with pytest.raises(LadingError) as raised:
        opened(yard.world.secrets, KEY, STORE)
    assert raised.value.code == "secret-missing"
    assert "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in raised.value.happened


def test_an_environment_that_serves_nothing_keeps_its_runs_place(yard: Yard) -> None:
    """After it was taken down, what waits still goes where the run was to send it."""
    run = yard.ended()
    yard.world.journal.save_environment(EnvironmentRecord(project=PROJECT, name=ENVIRONMENT, tier="stage"))
    assert yard.carry(run).outputs[0].url == f"{BELOW}/summary.json"
