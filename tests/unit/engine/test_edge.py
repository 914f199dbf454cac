"""What guards an environment is put up whole, or nothing is routed."""

import msgspec
import pytest

from lading.engine.routes import routes_of
from lading.model.environment import Configuration, Pinned
from lading.model.environment_table import Access, Environment, Limits
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.planner.units import configure, unit_of
from lading.ports.prober.memory import MemoryProber
from tests.recovery.house import KEY, House

GUARDED = Environment(access=Access(basic="STAGE_LOGIN", allow=("192.0.2.0/24",)), limits=Limits(rate=5.0))


def unit(house: House, table: Environment = GUARDED) -> Pinned:
    release = house.release("v1.0.0")
    configuration = configure("stage", table, house.world.secrets.versions(KEY), release.manifest)
    return unit_of(1, release, configuration, {}, house.record.port)


def test_the_edge_is_hashed_logins_networks_and_limits() -> None:
    """A secret of the environment guards it whether or not the release names it; the plain value is nowhere."""
    house = House.build()
    house.world.secrets.put(KEY, {"STAGE_LOGIN": Secret("anna:horse-staple")})
    made = unit(house)
    routes = routes_of(house.world, house.record, made)
    assert routes.edge.logins[0].startswith("anna:$2b$")
    assert (routes.edge.allow, routes.edge.limits) == (("192.0.2.0/24",), Limits(rate=5.0))
    assert "horse-staple" not in msgspec.json.encode(routes).decode()


def test_the_program_behind_is_not_told_the_login() -> None:
    """What is for the router alone is in no instance's environment; the release's own secrets are."""
    house = House.build()
    house.world.secrets.put(KEY, {"STAGE_LOGIN": Secret("anna:horse-staple")})
    made = unit(house)
    assert made.configuration.secret_versions.keys() == {"STAGE_LOGIN", "TOKEN"}
    assert all(spec.secrets.keys() == {"TOKEN"} for spec in (*made.instances, *made.jobs))


@pytest.mark.parametrize(("value", "said"), [(None, "it is not set"), ("hunter2", "line 1")])
def test_nothing_is_left_open_for_want_of_a_login(value: str | None, said: str) -> None:
    """Without a login that can be checked there are no routes at all, and the message names the secret alone."""
    house = House.build()
    if value is not None:
        house.world.secrets.put(KEY, {"STAGE_LOGIN": Secret(value)})
    with pytest.raises(LadingError) as caught:
        routes_of(house.world, house.record, unit(house))
    assert caught.value.code == "secret-missing"
    assert said in caught.value.happened
    assert "STAGE_LOGIN" in caught.value.hint
    assert "hunter2" not in str(caught.value)


def test_a_rollout_without_its_login_fails_before_anything_starts() -> None:
    """Preflight holds the login against what the router needs."""
    house = House.build()
    house.world.secrets.put(KEY, {"STAGE_LOGIN": Secret("not a login")})
    rollout = house.carry(house.open_deploy("v1.0.0", GUARDED))
    assert rollout.outcome == "unwound"
    assert rollout.error is not None
    assert rollout.error["code"] == "secret-missing"
    assert not house.world.runtime.list()


def test_own_checks_carry_the_pass() -> None:
    """The prober is given what gets it past the edge, whatever that is."""
    house = House.build()
    house.world.secrets.put(KEY, {"STAGE_LOGIN": Secret("anna:horse-staple")})
    assert house.carry(house.open_deploy("v1.0.0", GUARDED)).outcome == "succeeded"
    assert house.carry(house.open_deploy("v1.1.0", GUARDED)).outcome == "succeeded"
    prober = house.world.prober
    assert isinstance(prober, MemoryProber)
    assert [target.passing for target in prober.targets.values()] == [house.world.router.pass_for(KEY)] * 2


def test_configuration_without_an_edge_keeps_its_revision() -> None:
    """What was configured before there were limits has the revision it had."""
    assert Configuration(environment="stage", tier="stage", table=Environment()).revision == "5966fcd8ea0d"


def test_a_way_back_to_an_open_edge_is_said() -> None:
    """A rollback returns to what guarded the release then; where that let in everybody, the plan says so."""
    house = House.build()
    house.world.secrets.put(KEY, {"STAGE_LOGIN": Secret("anna:horse-staple")})
    assert house.deploy("v1.0.0").outcome == "succeeded"
    assert house.carry(house.open_deploy("v1.1.0", GUARDED)).outcome == "succeeded"
    back = house.open_rollback()
    assert "its access returns with it: anybody could reach it then" in back.plan.reasons
