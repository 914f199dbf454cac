"""What a plan says of databases that have a server, and what programs are told of them."""

import msgspec
import pytest

from lading.model.data_steps import Dump, Migrate, StartDatabase
from lading.model.environment import EnvironmentRecord, InstanceSpec, Observed
from lading.model.environment_table import Environment, Placement
from lading.model.manifest import Database
from lading.model.plan import Plan
from lading.model.release import Release
from lading.model.value import Resources
from lading.planner.plans import plan_release, plan_rollback
from lading.planner.units import configure, unit_of
from tests.recovery.house import House

RECORD = EnvironmentRecord(project="shop", name="stage", tier="stage", port=8000)
PLAIN = Environment()
OWN = Environment(databases={"main": Placement(url="MAIN_URL")})


def released(kind: str = "bundle", **keys: object) -> Release:
    release = House.build().release("v7.1.0")
    database = msgspec.structs.replace(release.manifest.databases["main"], **keys)
    manifest = msgspec.structs.replace(release.manifest, databases={"main": database})
    artifacts = tuple(msgspec.structs.replace(one, kind=kind) for one in release.artifacts)
    return msgspec.structs.replace(release, manifest=manifest, artifacts=artifacts)


def planned(
    release: Release, *at: str, record: EnvironmentRecord = RECORD, table: Environment = PLAIN, number: int = 7
) -> Plan:
    seen = Observed(record=record, revisions={"main": at}, passwords={"main": 1})
    configuration = configure("stage", table, {"TOKEN": 1, "MAIN_URL": 3}, release.manifest)
    return plan_release(number, "deploy", release, configuration, seen)


def with_server(release: Release) -> EnvironmentRecord:
    """The record of an environment whose server answered before."""
    return msgspec.structs.replace(RECORD, backing={"main": server(planned(release, number=3))})


def server(plan: Plan) -> InstanceSpec:
    (step,) = [step for step in plan.steps if isinstance(step, StartDatabase)]
    assert step.spec is not None
    return step.spec


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_the_first_deploy_brings_the_server_up() -> None:
    """Before the migration, without a dump: there is nothing yet that could be kept."""
    plan = planned(released())
    assert kinds(plan)[:5] == ["preflight", "fetch", "database", "migrate", "start"]
    assert "postgres:17, kept from release to release" in plan.lines()[2]
    assert "nothing → 9c41, while requests go on" in plan.lines()[3]


def test_a_migration_is_preceded_by_a_dump() -> None:
    """Of what is there, by the server's own version; one that is at its heads needs neither."""
    release = released()
    plan = planned(release, "3f2a", record=with_server(release))
    assert kinds(plan)[2:5] == ["database", "dump", "migrate"]
    (dump,) = [step for step in plan.steps if isinstance(step, Dump)]
    assert (dump.spec.image, dump.spec.port) == ("postgres:17", None)
    assert dump.spec.env["PGHOST"] == "main.internal"
    there = planned(release, "9c41", record=with_server(release))
    assert "dump" not in kinds(there)
    assert "at 9c41 already" in there.lines()[3]


def test_the_files_stay_where_they_are() -> None:
    """A server that answered is started on the same files; one that never did gets a directory of its rollout."""
    release = released()
    assert server(planned(release)).env["PGDATA"].endswith("/r7")
    known = with_server(release)
    assert server(planned(release, record=known)).env["PGDATA"].endswith("/r3")


def test_no_plan_holds_a_password_or_a_port_of_the_host() -> None:
    """Programs are told by templates; containers by the server's name, processes by its address of the moment."""
    for kind, host in (("image", "main.internal"), ("bundle", "{host}")):
        unit = planned(released(kind)).unit
        assert unit is not None
        told = unit.instances[0].told["DATABASE_URL"]
        assert told.template == f"postgresql://shop:{{password}}@{host}:5432/shop"
        assert (told.secret, told.version) == ("database main", 1)
        assert told.server == ("shop.stage.main" if kind == "bundle" else "")


def test_all_parts_come_from_one_definition() -> None:
    """URL, scheme and parts; an alias is a further name of the server, which programs are not told."""
    parts = {"DB_HOST": "host", "DB_PORT": "port", "DB_USER": "user", "DB_PASSWORD": "password", "DB_NAME": "name"}
    release = released("image", env_parts=parts, url_scheme="postgresql+asyncpg", alias="db")
    unit = planned(release).unit
    assert unit is not None
    told = {name: one.template for name, one in unit.instances[0].told.items()}
    assert told == {
        "DATABASE_URL": "postgresql+asyncpg://shop:{password}@main.internal:5432/shop",
        "DB_HOST": "main.internal",
        "DB_PORT": "5432",
        "DB_USER": "shop",
        "DB_PASSWORD": "{password}",
        "DB_NAME": "shop",
    }
    assert server(planned(release)).aliases == ("main.internal", "db")


def test_a_url_of_ones_own_starts_nothing() -> None:
    """Where somebody else runs the database it is asked, migrated, and not dumped; its URL is a secret."""
    release = released()
    listed = msgspec.structs.replace(release.manifest.secrets, optional=("MAIN_URL",))
    release = msgspec.structs.replace(release, manifest=msgspec.structs.replace(release.manifest, secrets=listed))
    plan = planned(release, "3f2a", table=OWN)
    assert kinds(plan)[2:4] == ["database", "migrate"]
    assert "run by somebody else, at MAIN_URL" in plan.lines()[2]
    assert plan.unit is not None
    told = plan.unit.instances[0].told["DATABASE_URL"]
    assert (told.template, told.secret, told.version) == ("{scheme}://{rest}", "MAIN_URL", 3)


def test_a_statement_waits_no_longer_than_requests_may() -> None:
    """The migration's lock timeout is the environment's hold; limits of the server are its placement's."""
    limits = Environment(databases={"main": Placement(resources=Resources(memory=1 << 30))})
    plan = planned(released(), table=limits)
    (migrate,) = [step for step in plan.steps if isinstance(step, Migrate)]
    assert migrate.spec.env["PGOPTIONS"] == "-c lock_timeout=10000"
    assert server(plan).resources.memory == 1 << 30


def test_going_back_needs_the_server_and_migrates_nothing() -> None:
    """The plan brings it up where it is down; the schema stays."""
    release = released()
    configuration = configure("stage", Environment(), {"TOKEN": 1}, release.manifest)
    unit = unit_of(3, release, configuration, {}, passwords={"main": 1})
    seen = Observed(record=with_server(release), revisions={"main": ("9c41",)}, passwords={"main": 1})
    plan = plan_rollback(unit, seen)
    assert "database" in kinds(plan)
    assert not {"dump", "migrate"} & set(kinds(plan))


@pytest.mark.parametrize(("version", "image"), [(None, "postgres:17"), ("16.4-alpine", "postgres:16.4-alpine")])
def test_the_version_names_the_image(version: str | None, image: str) -> None:
    """The manifest's version, else Lading's own choice."""
    assert server(planned(released(version=version))).image == image
    assert Database(engine="postgres").has_server
