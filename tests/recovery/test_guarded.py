"""An environment behind a login whose secret cannot be read while routes are put back: never open, old or new."""

from typing import Any

import pytest

from lading.engine.faults import Fault
from lading.model.environment import Routes
from lading.model.environment_table import Access, Environment, Strategy
from lading.model.errors import LadingError
from lading.model.rollout import Rollout
from lading.model.secret import Secret
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import KEY, House

pytestmark = pytest.mark.recovery

LOGIN = "STAGE_LOGIN"
ACCESS = Access(basic=LOGIN)
BESIDE = Environment(access=ACCESS, strategy=Strategy(watch=1.0, keep_previous=60.0))
ALONE = Environment(access=ACCESS, strategy=Strategy(kind="recreate", watch=1.0))


class Guarded:
    """A house before whose environment is a login, which ``lost`` makes illegible, as when a disk is damaged."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.lost = False
        house.world.secrets.put(KEY, {LOGIN: Secret("anna:horse-staple")})
        self._get = house.world.secrets.get
        self._apply = house.world.router.apply
        house.world.secrets.get = self._reading  # type: ignore[method-assign]
        house.world.router.apply = self._applying  # type: ignore[method-assign]

    def _reading(self, environment: str, name: str, version: int) -> Secret:
        if self.lost and name == LOGIN:
            raise LadingError(
                "secrets-unusable",
                doing=f"reading secrets of {environment}",
                happened="secrets/shop/stage.age: it is not what was written",
                now="nothing was changed; what serves is untouched",
                hint="restore it from a backup",
            )
        return self._get(environment, name, version)

    def _applying(self, routes: Routes) -> None:
        assert routes.edge.logins, "the environment was opened without its login"
        self._apply(routes)


def illegible_once_turned(guarded: Guarded) -> None:
    """Let the login become illegible in the moment in which a rollout turns back."""
    journal = guarded.house.world.journal
    turn = journal.turn

    def turned(*given: Any) -> None:
        turn(*given)
        guarded.lost = True

    journal.turn = turned  # type: ignore[method-assign]


def late(table: Environment, *, killed: bool = False, changed: bool = False) -> tuple[Guarded, Rollout]:
    """A release that is cut over and fails its suite, and whose way back cannot read the login.

    ``killed``: the agent dies as it turns back; ``changed``: the release before had another login.
    """
    guarded = Guarded(House.build())
    house = guarded.house
    assert house.deploy("v1.0.0", table).outcome == "succeeded"
    if changed:
        house.world.secrets.put(KEY, {LOGIN: Secret("berta:battery")})
    illegible_once_turned(guarded)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))  # type: ignore[attr-defined]
    opened = house.open_deploy("v1.1.0", table)
    faults = (Fault(point="journal.turn:after", act="kill"),) if killed else ()
    return guarded, house.carry_through(opened.id, house.with_faults(*faults))


def answerer(house: House) -> str | None:
    """Return who answers a visitor that logged in; a stranger is answered by nobody."""
    router = house.world.router
    assert router.ask(KEY) is None  # type: ignore[attr-defined]
    name: str | None = router.ask(KEY, passing=router.pass_for(KEY))  # type: ignore[attr-defined]
    return name


@pytest.mark.parametrize("killed", [False, True], ids=["", "by the agent's successor"])
@pytest.mark.parametrize("table", [BESIDE, ALONE], ids=["blue-green", "recreate"])
def test_a_way_back_behind_the_same_login_needs_not_read_it(table: Environment, killed: bool) -> None:
    """What the router holds of it is enough: the release before serves again, behind its login."""
    guarded, rollout = late(table, killed=killed)
    assert rollout.outcome == "rolled_back"
    serving = guarded.house.record.serving
    assert serving is not None
    assert (serving.release.version, answerer(guarded.house)) == ("v1.0.0", serving.web[0].name)


@pytest.mark.parametrize("killed", [False, True], ids=["", "by the agent's successor"])
@pytest.mark.parametrize("table", [BESIDE, ALONE], ids=["blue-green", "recreate"])
def test_a_way_back_behind_another_login_opens_nothing(table: Environment, killed: bool) -> None:
    """The rollout is stuck with one release answering behind its login; the alert says what to restore and then do."""
    guarded, rollout = late(table, killed=killed, changed=True)
    house = guarded.house
    assert rollout.outcome == "stuck"
    assert house.record.serving is not None
    assert answerer(house) in {spec.name for spec in house.record.serving.web}
    for told in (house.record.alert, rollout.error["happened"] + rollout.error["hint"] if rollout.error else ""):
        assert "secrets/shop/stage.age: it is not what was written" in told
        assert "restore it from a backup; then: lading deploy stage v1.0.0" in told
    guarded.lost = False
    house.world.checks.heal()  # type: ignore[attr-defined]
    assert house.deploy("v1.0.0", table).outcome == "succeeded"
    assert (house.record.alert, house.record.serving.release.version) == ("", "v1.0.0")


@pytest.mark.parametrize("table", [BESIDE, ALONE], ids=["blue-green", "recreate"])
def test_one_that_can_be_read_again_lets_the_way_back_go_on(table: Environment) -> None:
    """What heals while the undo is tried again ends in the release that served before."""
    guarded = Guarded(House.build())
    house = guarded.house
    assert house.deploy("v1.0.0", table).outcome == "succeeded"
    house.world.secrets.put(KEY, {LOGIN: Secret("berta:battery")})
    illegible_once_turned(guarded)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))  # type: ignore[attr-defined]
    opened = house.open_deploy("v1.1.0", table)
    wait = house.world.clock.wait

    def waited(seconds: float, wake: Any) -> bool:
        # The longest pause between two tries of an undo.
        guarded.lost = guarded.lost and seconds != 5.0
        return wait(seconds, wake)

    house.world.clock.wait = waited  # type: ignore[method-assign]
    assert house.carry(opened).outcome == "rolled_back"
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"
    assert answerer(house) == house.record.serving.web[0].name


def test_a_rollback_without_its_login_changes_nothing() -> None:
    """It is turned back before anything is stopped or routed, and says what to do."""
    guarded = Guarded(House.build())
    house = guarded.house
    for version in ("v1.0.0", "v1.1.0"):
        assert house.deploy(version, BESIDE).outcome == "succeeded"
    before = house.world.router.current(KEY)
    guarded.lost = True
    back = house.carry(house.open_rollback())
    assert back.outcome == "unwound"
    assert back.error is not None
    assert back.error["hint"] == "restore it from a backup"
    assert house.world.router.current(KEY) == before
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.1.0"


@pytest.mark.parametrize("routed", [True, False], ids=["the router has its routes", "the router has lost them"])
def test_an_agent_that_restarts_without_the_login_opens_nothing(routed: bool) -> None:
    """What the router has stays as it is, what it lacks stays closed until the login can be read."""
    agent = MemoryAgent()
    guarded = Guarded(agent.house)
    assert agent.deploy("v1.0.0", table=BESIDE).outcome == "succeeded"
    before = agent.world.router.current(KEY)
    if not routed:
        agent.world.router.withdraw(KEY)
    guarded.lost = True
    agent.supervisor.restore()
    agent.supervisor.look()
    assert agent.world.router.current(KEY) == (before if routed else None)
    guarded.lost = False
    agent.world.clock.advance(10.0)  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert agent.world.router.current(KEY) == before
