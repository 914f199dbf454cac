"""Programs are no superusers of the database that Lading runs for them."""

import msgspec
import pytest

from lading.model.data_steps import StartDatabase
from lading.model.rollout import Rollout
from lading.model.server import ADMIN, admin_of, password_name
from tests.recovery.house import KEY, House
from tests.recovery.releases import NEW, OLD
from tests.recovery.scenarios import served_to


@pytest.fixture
def house() -> House:
    """A house in which a release serves that made its database."""
    house = House.build()
    house.served_migrations(served_to(OLD))
    assert house.deploy("v7.0.0").outcome == "succeeded"
    house.served_migrations(served_to(NEW))
    return house


def warnings(house: House, rollout: Rollout) -> list[str]:
    return [event.text for event in house.world.journal.events(rollout.id) if event.kind == "warning"]


def step_of(rollout: Rollout) -> StartDatabase:
    (found,) = [step for step in rollout.plan.steps if isinstance(step, StartDatabase)]
    return found


def test_the_server_is_made_with_an_administrator_of_its_own(house: House) -> None:
    """Its first role is not the programs', and its password is another one than theirs."""
    step = step_of(house.open_deploy("v7.1.0"))
    assert step.spec is not None
    assert step.admin is not None
    assert (step.login.user, step.admin.user, step.spec.env["POSTGRES_USER"]) == ("shop", ADMIN, ADMIN)
    secrets = {password_name("main"), password_name(admin_of("main"))}
    assert {step.login.secret, step.admin.secret} == secrets
    assert step.spec.secrets["POSTGRES_PASSWORD"][0] == step.admin.secret
    assert len({house.world.secrets.get(KEY, name, 1).reveal() for name in secrets}) == 2


def test_one_that_is_in_use_too_long_is_handed_over_later(house: House) -> None:
    """It keeps no release back: the rollout warns and goes on, and the next one tries again."""
    house.served.handed_over, house.served.busy = False, "what it owns is in use"
    rollout = house.deploy("v7.1.0")
    assert rollout.outcome == "succeeded"
    assert warnings(house, rollout) == ["shop may still do everything on database main: what it owns is in use"]
    house.served.busy = ""
    again = house.deploy("v7.0.0")
    assert (again.outcome, warnings(house, again), house.served.handed_over) == ("succeeded", [], True)


def test_a_rollout_that_an_earlier_version_planned_goes_on_as_planned(house: House) -> None:
    """A plan without an administrator hands nothing over."""
    rollout = house.open_deploy("v7.1.0")
    house.served.handed_over = False
    steps = tuple(
        msgspec.structs.replace(one, admin=None) if isinstance(one, StartDatabase) else one
        for one in rollout.plan.steps
    )
    plan = msgspec.structs.replace(rollout.plan, steps=steps)
    known = house.world.journal.rollout
    house.world.journal.rollout = lambda asked: msgspec.structs.replace(known(asked), plan=plan)  # type: ignore[method-assign,type-var]
    assert house.carry(rollout).outcome == "succeeded"
    assert not house.served.handed_over
