"""Migrations as an engine carries them: what is said, who is held, and what stands when something fails."""

import msgspec
import pytest

from lading.model.release import Migrations, Release
from lading.model.rollout import Rollout
from lading.ports.database.memory import Data
from lading.ports.runtime import Run, RunResult
from tests.recovery.house import KEY, House
from tests.recovery.releases import NEW, OLD
from tests.recovery.scenarios import build


@pytest.fixture
def house() -> House:
    """A house in which v1.0.0 serves, with a row in a database at the old revision."""
    return build("migrate")


def to_new(data: Data) -> int:
    data.revision = NEW
    return 0


def ran(house: House) -> list[str]:
    """Return the migrations that were run, rehearsals and those in earnest."""
    runs: list[str] = house.world.runtime.recorded.runs  # type: ignore[attr-defined]
    return [name for name in runs if "migrate" in name]


def told(house: House, rollout: Rollout, step: str) -> list[str]:
    return [event.text for event in house.world.journal.events(rollout.id) if event.name == step]


def held(house: House, rollout: Rollout) -> bool:
    return house.world.runtime.settle(f"shop-stage-r{rollout.id}-migrate-main").reason != "it never began"  # type: ignore[union-attr]


def test_what_was_done_is_told_and_signed(house: House) -> None:
    """The line says from where to where and for how long requests waited; the bill has it too."""
    house.migrations(to_new)
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "succeeded"
    assert told(house, rollout, "rehearse")[-1] == "3f2a → 9c41 on a copy, whole"
    assert told(house, rollout, "migrate")[-1] == "3f2a → 9c41, held 0.50 s"
    signed = [one for one in house.world.signer.signed if one.gate == "rollout"][-1]  # type: ignore[attr-defined]
    assert signed.facts["migrations"] == {"main": {"before": ["3f2a"], "after": ["9c41"], "held": 0.5}}
    assert signed.facts["held_seconds"] == 0.5


def test_a_failing_rehearsal_holds_nobody(house: House) -> None:
    """The rollout unwinds with the command's last lines, where it failed left out; nothing was frozen or changed."""
    output = (
        'INFO  going up\nTraceback (most recent call last):\n  File "x.py", line 1, in y\n    z()\nOops: no such column'
    )
    house.world.runtime.script_run("migrate", RunResult(exit_status=1, output=output, outputs="", seconds=0.1))  # type: ignore[attr-defined]
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "unwound"
    assert rollout.error is not None
    assert rollout.error["code"] == "migration-failed"
    assert rollout.error["details"] == ["INFO  going up", "Oops: no such column"]
    assert "stage serves v1.0.0" in rollout.error["now"]
    assert not held(house, rollout)
    assert house.data == Data(rows=["first"], revision=OLD)


def test_one_that_takes_too_long_on_a_copy_is_not_tried(house: House) -> None:
    """What takes longer than requests may wait fails at its rehearsal, with the key that allows more."""
    slow = RunResult(exit_status=0, output="", outputs="", seconds=11.0)
    house.world.runtime.script_run("migrate", slow)  # type: ignore[attr-defined]
    rollout = house.deploy("v2.0.0")
    assert rollout.error is not None
    assert "took 11.0 s on a copy, and requests may wait 10 s" in rollout.error["happened"]
    assert "hold" in rollout.error["hint"]
    assert not held(house, rollout)


def test_nothing_to_do_holds_nobody(house: House) -> None:
    """A rehearsal that changed nothing is the end of it."""
    house.migrations(lambda _data: 0)
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "succeeded"
    assert told(house, rollout, "migrate")[-1] == "at 3f2a already, nobody was held"
    assert len(ran(house)) == 1
    assert not held(house, rollout)


def test_a_database_at_its_heads_is_not_even_copied(house: House) -> None:
    """What Alembic's files say is up to date runs nothing."""
    release = house.release("v2.0.0")
    _know(house, release, heads=OLD)
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "succeeded"
    assert told(house, rollout, "migrate")[-1] == "at 3f2a already, nobody was held"
    assert ran(house) == []


def test_a_failure_after_the_migration_leaves_it(house: House) -> None:
    """The database stays at the new revision, and that is said; what serves is the old release."""
    house.migrations(to_new)
    house.world.checks.fail("503", of="v2.0.0", path="/ready")  # type: ignore[attr-defined]
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "unwound"
    assert told(house, rollout, "migrate")[-1] == "database main stays at 9c41: it may have accepted writes since"
    assert house.data == Data(rows=["first"], revision=NEW)
    signed = house.world.signer.signed[-1]  # type: ignore[attr-defined]
    assert signed.facts["migrations"]["main"]["after"] == ["9c41"]


def test_a_database_that_cannot_be_restored_raises_an_alert(house: House) -> None:
    """When restoring fails for good the rollout is stuck: the alert stands, and the copy is named and kept."""
    databases = house.world.databases
    seen: list[str] = []

    def tear(run: Run) -> RunResult:
        seen.append(run.name)
        if len(seen) == 1:
            databases.contents[run.spec.databases["DATABASE_URL"]].revision = NEW  # type: ignore[attr-defined]
            return RunResult(exit_status=0, output="", outputs="", seconds=0.1)
        for url in [url for url in databases.contents if "~saved" in url]:  # type: ignore[attr-defined]
            del databases.contents[url]  # type: ignore[attr-defined]
        return RunResult(exit_status=1, output="", outputs="", seconds=0.1)

    house.world.runtime.script_run("migrate", tear)  # type: ignore[attr-defined]
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == "stuck"
    assert rollout.error is not None
    assert "~saved" in rollout.error["now"] or "~saved" in rollout.error["happened"]
    assert house.record.alert
    assert not house.world.runtime.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("stage", "outcome", "revision"),
    [("frozen", "unwound", OLD), ("ran", "unwound", OLD), ("decided", "succeeded", NEW)],
)
def test_a_guard_that_dies(house: House, stage: str, outcome: str, revision: tuple[str, ...]) -> None:
    """Whatever stage it reached: what was not decided is restored, what was is kept, and nobody stands still."""
    house.migrations(to_new)
    house.world.runtime.kill_guard(stage)  # type: ignore[attr-defined]
    rollout = house.deploy("v2.0.0")
    assert rollout.outcome == outcome
    assert house.data == Data(rows=["first"], revision=revision)
    assert not house.world.runtime.frozen  # type: ignore[attr-defined]
    assert house.world.runtime.unsettled(KEY) == ()


def test_a_database_that_moved_since_it_was_planned_is_not_touched(house: House) -> None:
    """A plan without a rehearsal stands on what was seen; when that is no longer so, the rollout unwinds."""
    _know(house, house.release("v2.0.0"), heads=OLD)
    rollout = house.open_deploy("v2.0.0")
    assert house.data is not None
    house.data.revision = ("77aa",)
    ended = house.carry(rollout)
    assert ended.outcome == "unwound"
    assert ended.error is not None
    assert "is at 77aa, and was at 3f2a when planned" in ended.error["happened"]


def _know(house: House, release: Release, heads: tuple[str, ...]) -> None:
    known = Migrations(tool="alembic", revisions=tuple(sorted({*OLD, *heads})))
    told_of = msgspec.structs.replace(release, migrations={"main": known}, migration_heads={"main": heads})
    house.release = lambda _version: told_of  # type: ignore[method-assign]
