"""Maintenance is what the journal says, and the router follows: whoever dies, fails or routes in between."""

import pytest

from lading.agent.maintenance import MaintenanceAsked, Maintenances, follow
from lading.agent.supervisor import Supervisor
from lading.engine.context import Locks
from lading.model.errors import LadingError
from lading.ports.router.memory import FOREVER, MemoryRouter
from tests.recovery.house import ENVIRONMENT, KEY, House
from tests.recovery.releases import PROJECT

ON = MaintenanceAsked(on=True, message="Back at noon")
OFF = MaintenanceAsked(on=False)


@pytest.fixture
def house() -> House:
    house = House.build()
    assert house.deploy("v1.0.0").outcome == "succeeded"
    return house


def switches(house: House) -> Maintenances:
    return Maintenances(house.world, Locks())


def router_of(house: House) -> MemoryRouter:
    assert isinstance(house.world.router, MemoryRouter)
    return house.world.router


def test_on_and_off_are_confirmed_audited_and_repeatable(house: House) -> None:
    """Each changes once; asked again it says so, leaves no second entry, and who began it stays known."""
    switch = switches(house).switch
    first, again = (switch(PROJECT, ENVIRONMENT, ON, who) for who in ("ada", "ben"))
    assert (first.changed, again.changed) == (True, False)
    assert again.maintenance == first.maintenance
    assert router_of(house).ask(KEY) is None
    other = switch(PROJECT, ENVIRONMENT, MaintenanceAsked(on=True, message="Back at one"), "ben")
    assert other.maintenance is not None
    assert first.maintenance is not None
    assert (other.maintenance.since, other.maintenance.by) == (first.maintenance.since, "ben")
    ended, idle = (switch(PROJECT, ENVIRONMENT, OFF, "ada") for _ in range(2))
    assert (ended.changed, idle.changed, idle.maintenance) == (True, False, None)
    assert router_of(house).ask(KEY) is not None
    acts = [(audit.act, audit.who) for audit in house.world.journal.audits() if audit.act.startswith("maintenance")]
    assert acts == [("maintenance off", "ada"), ("maintenance on", "ben"), ("maintenance on", "ada")]


def test_a_rollout_and_its_way_back_keep_the_page(house: House) -> None:
    """The journal is asked whenever routes are made, so no cutover opens what is closed."""
    switches(house).switch(PROJECT, ENVIRONMENT, ON, "ada")
    assert house.deploy("v1.1.0").outcome == "succeeded"
    assert router_of(house).ask(KEY) is None
    assert house.carry(house.open_rollback()).outcome == "succeeded"
    assert router_of(house).ask(KEY) is None
    switches(house).switch(PROJECT, ENVIRONMENT, OFF, "ada")
    assert router_of(house).ask(KEY) is not None


def test_what_the_router_did_not_confirm_is_made_so_later(house: House) -> None:
    """A failed switch is an error, and stays wanted: the next look of the supervisor makes it so."""
    router_of(house).failures = FOREVER
    with pytest.raises(LadingError, match="confirm"):
        switches(house).switch(PROJECT, ENVIRONMENT, ON, "ada")
    assert router_of(house).ask(KEY) is not None
    router_of(house).failures = 0
    Supervisor(house.world, Locks(), Locks()).look()
    assert router_of(house).ask(KEY) is None


def test_before_anything_serves_the_page_comes_with_the_first_routes() -> None:
    """An environment that is known and routed nowhere is closed from its first cutover on."""
    house = House.build()
    switches(house).switch(PROJECT, ENVIRONMENT, ON, "ada")
    follow(house.world, house.record)
    assert house.deploy("v1.0.0").outcome == "succeeded"
    assert router_of(house).ask(KEY) is None


@pytest.mark.parametrize(
    "asked",
    [
        MaintenanceAsked(on=True, message="x" * 501),
        MaintenanceAsked(on=True, message="a\nb"),
        MaintenanceAsked(on=True, retry_after=0),
    ],
)
def test_what_no_page_could_show_is_refused(house: House, asked: MaintenanceAsked) -> None:
    """A message is one line of text; nothing is changed for one that is not."""
    with pytest.raises(LadingError) as caught:
        switches(house).switch(PROJECT, ENVIRONMENT, asked, "ada")
    assert caught.value.code == "usage"
    assert house.world.journal.maintenance(PROJECT, ENVIRONMENT) is None


def test_an_unknown_environment_is_named(house: House) -> None:
    """A slip of the pen closes nothing."""
    with pytest.raises(LadingError) as caught:
        switches(house).switch(PROJECT, "prod", ON, "ada")
    assert caught.value.code == "unknown-environment"
