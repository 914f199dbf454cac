"""An outcome always comes: whatever fails beside the acts neither turns a rollout around nor holds it for ever."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lading.engine.engine import Engine
from lading.engine.faults import Fault, Killed
from lading.engine.patience import Parked
from lading.journal.sqlite import SqliteJournal
from lading.model.errors import LadingError
from lading.model.rollout import Event, Rollout
from tests.recovery.house import House


def _refuse(code: str = "step-failed") -> Any:
    def refusing(*_: Any, **__: Any) -> Any:
        raise LadingError(code, happened="a fault was injected here")

    return refusing


def _raise(error: BaseException) -> Any:
    def raising(*_: Any, **__: Any) -> Any:
        raise error

    return raising


def _carry_killed(house: House, rollout: Rollout, point: str) -> None:
    """Let the agent that carries a rollout die at a point."""
    with pytest.raises(Killed):
        Engine(house.with_faults(Fault(point=point, act="kill"))).carry(rollout.id)


def _house(bad: bool = False) -> House:
    house = House.build()
    house.deploy("v1.0.0")
    if bad:
        house.world.checks.fail("503", of="v1.1.0", path="/ready")  # type: ignore[attr-defined]
    return house


def test_a_progress_line_that_cannot_be_written_turns_nothing_around() -> None:
    """A disk that is full for a moment while a healthy release is watched does not bring the old one back."""
    house = _house()
    rollout = house.open_deploy("v1.1.0")
    journal = house.world.journal
    append, failures = journal.append_event, iter([1, 2])

    def appending(event: Event) -> Event:
        if (event.kind, event.name) == ("progress", "watch") and next(failures, None):
            raise LadingError("no-space", happened="the disk is full")
        return append(event)

    journal.append_event = appending  # type: ignore[method-assign]
    assert house.carry(rollout).outcome == "succeeded"


def test_a_full_disk_parks_and_the_rollout_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """While the journal's disk is full nothing changes and the journal can be read; with room the rollout ends."""
    journal = SqliteJournal(tmp_path / "journal.db")
    house = House.build(journal)
    house.deploy("v1.0.0")
    rollout = house.open_deploy("v1.1.0")
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    serving = house.record
    for _ in range(3):
        with pytest.raises(Parked):
            house.carry(rollout)
        assert house.record == serving
        assert [one.id for one in journal.unfinished()] == [rollout.id]
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    assert house.carry(rollout).outcome == "succeeded"
    house.assert_served("after the disk was full")
    assert house.unserved == []


@pytest.mark.parametrize("bad", [False, True])
def test_unreadable_secrets_hold_no_rollout(bad: bool) -> None:
    """When the secrets to mask cannot be read, texts are withheld and the rollout still ends, told by its codes."""
    house = _house(bad)
    rollout = house.open_deploy("v1.1.0")
    house.world.secrets.all_values = _refuse("secrets-unusable")  # type: ignore[method-assign]
    ended = house.carry(rollout)
    assert ended.outcome == ("unwound" if bad else "succeeded")
    told = msgspec.json.encode(house.world.journal.events(rollout.id)).decode()
    assert "withheld" in told
    assert "503" not in told
    if bad:
        assert ended.error is not None
        assert ended.error["code"] == "ready-failed"


def test_a_cancelled_rollout_is_known_as_such_without_readable_secrets() -> None:
    """The code of what turned a rollout around survives, so that its outcome and exit status are right."""
    house = _house()
    rollout = house.open_deploy("v1.1.0")
    house.world.secrets.all_values = _raise(OSError("gone"))  # type: ignore[method-assign]
    house.world.journal.request_cancel(rollout.id, "ada")
    assert house.carry(rollout).outcome == "cancelled"


def test_a_prober_that_does_not_come_back_holds_no_rollout() -> None:
    """An agent that takes up a rollout and cannot start the prober again says so and goes on."""
    house = _house()
    rollout = house.open_deploy("v1.1.0")
    _carry_killed(house, rollout, "router.counters:after")
    house.world.prober.stop(f"shop/stage/r{rollout.id}")
    house.world.prober._counts.clear()  # type: ignore[attr-defined]
    house.world.prober.start = _refuse("router-failed")  # type: ignore[method-assign]
    assert house.carry(rollout).outcome == "succeeded"
    warnings = [event.text for event in house.world.journal.events(rollout.id) if event.kind == "warning"]
    assert any("lost requests" in text for text in warnings)


@pytest.mark.parametrize("error", [OSError("no key"), ValueError("bad key")])
def test_a_failure_that_cannot_be_signed_still_ends(error: Exception) -> None:
    """Whatever the signer raises, a rollout that failed gets its outcome, with a warning."""
    house = _house(bad=True)
    rollout = house.open_deploy("v1.1.0")
    house.world.signer.sign = _raise(error)  # type: ignore[method-assign]
    assert house.carry(rollout).outcome == "unwound"


def test_counts_that_cannot_be_read_still_end_the_rollout() -> None:
    """Whatever the prober raises at the end, the rollout gets its outcome."""
    house = _house()
    rollout = house.open_deploy("v1.1.0")
    house.world.prober.stop = _raise(RuntimeError("no thread"))  # type: ignore[method-assign]
    assert house.carry(rollout).outcome == "succeeded"


@pytest.mark.parametrize("error", [MemoryError(), SystemExit(3), RecursionError("deep")])
def test_nothing_that_an_act_raises_gets_past_the_engine(error: BaseException) -> None:
    """What no act should raise is a failed step like any other: the old release serves on."""
    house = _house()
    rollout = house.open_deploy("v1.1.0")
    house.world.checks.probe = _raise(error)  # type: ignore[method-assign]
    ended = house.carry(rollout)
    assert ended.outcome == "unwound"
    assert ended.error is not None
    assert type(error).__name__ in ended.error["happened"]


def test_a_full_disk_leaves_no_gap_in_the_bill() -> None:
    """Statements that cannot be written for a while are written later: a release that passed is not left without."""
    house = _house()
    rollout = house.open_deploy("v1.1.0")
    journal = house.world.journal
    add, clock = journal.add_statement, house.world.clock
    start: list[float] = []

    def adding(digest: str, envelope: Any) -> None:
        start.append(clock.monotonic())
        if clock.monotonic() - start[0] < 10.0:
            raise LadingError("no-space", happened="the disk is full")
        add(digest, envelope)

    journal.add_statement = adding  # type: ignore[method-assign]
    assert house.carry_through(rollout.id, house.world).outcome == "succeeded"
    assert len(journal.statements(rollout.plan.digest)) >= 3
