"""The half-done rollout that each released version left behind is brought to its outcome by this version."""

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lading.engine.engine import Engine
from lading.engine.routes import routes_of
from lading.journal import SqliteJournal
from lading.model.plan import Cutover
from lading.model.rollout import Rollout
from lading.ports.checks.memory import MemoryChecks
from tests.recovery.house import KEY, House
from tests.upgrade.fixtures import all_fixtures, restore

pytestmark = pytest.mark.recovery

FIXTURES = all_fixtures()


@pytest.fixture(params=FIXTURES, ids=lambda fixture: fixture.stem)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqliteJournal]:
    restore(request.param, tmp_path / "journal.db")
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        yield journal


def around(journal: SqliteJournal, *, candidate: bool = True) -> tuple[House, Rollout]:
    """Build the world as that version left it: what served runs, the candidate runs, the routes have just moved.

    Without ``candidate`` the machine was rebooted meanwhile: nothing runs that the agent has not started again.
    """
    house = House(dataclasses.replace(House.build().world, journal=journal))
    (rollout,) = journal.unfinished()
    for release in reversed(journal.releases()):
        house.release(release.version)
    cutover = next(step for step in rollout.plan.steps if isinstance(step, Cutover))
    assert cutover.back is not None
    for spec in cutover.back.instances:
        house.world.runtime.start(spec, {})
    serving = cutover.back
    if candidate:
        serving = cutover.to
        for spec in cutover.to.web:
            house.world.runtime.start(spec, {})
    house.world.router.apply(routes_of(house.world, house.record, serving))
    house.served_before = True
    return house, rollout


def test_it_is_carried_to_its_end(journal: SqliteJournal) -> None:
    """Taken up where the old version died, in the cutover, the rollout ends in the new release."""
    house, rollout = around(journal)
    ended = Engine(house.world).carry(rollout.id)
    assert ended.outcome == "succeeded", ended.error
    assert house.record.serving is not None
    assert house.record.serving.release.version == rollout.plan.release
    assert house.world.router.ask(KEY) in {spec.name for spec in house.record.serving.web}  # type: ignore[attr-defined]
    assert not journal.unfinished()
    assert journal.statements(rollout.plan.digest)


def test_it_is_turned_back_where_the_candidate_is_gone(journal: SqliteJournal) -> None:
    """After a reboot in between the old release serves and the rollout is unwound: old, never neither."""
    house, rollout = around(journal, candidate=False)
    ended = Engine(house.world).carry(rollout.id)
    assert ended.outcome == "unwound", ended.error
    assert house.record.serving is not None
    assert house.record.serving.release.version == rollout.plan.previous
    assert house.world.router.ask(KEY) in {spec.name for spec in house.record.serving.web}  # type: ignore[attr-defined]
    assert not journal.unfinished()


def test_it_is_turned_back_where_the_release_proves_bad(journal: SqliteJournal) -> None:
    """A release that fails through the router after it was taken up comes back to the one that served."""
    house, rollout = around(journal)
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))
    ended = Engine(house.world).carry(rollout.id)
    assert ended.outcome == "rolled_back", ended.error
    assert house.record.serving is not None
    assert house.record.serving.release.version == rollout.plan.previous


def test_the_environment_goes_on_from_there(journal: SqliteJournal) -> None:
    """After the old rollout has ended, this version deploys the next release and goes back again."""
    house, rollout = around(journal)
    Engine(house.world).carry(rollout.id)
    assert house.deploy("v9.0.0").outcome == "succeeded"
    assert house.carry(house.open_rollback()).outcome == "succeeded"
    assert house.record.serving is not None
    assert house.record.serving.release.version == rollout.plan.release
