"""What a plan says of databases: where they are rehearsed and migrated, and what it says when it does not."""

import msgspec
import pytest

from lading.model.data_steps import Migrate, Rehearse
from lading.model.environment import EnvironmentRecord, Observed
from lading.model.environment_table import Environment, Strategy
from lading.model.manifest import Database
from lading.model.plan import Plan
from lading.model.release import Migrations, Release
from lading.planner.plans import plan_release, plan_rollback
from lading.planner.units import configure, unit_of
from tests.recovery.house import House

TABLE = Environment(strategy=Strategy(hold=5.0))
ALEMBIC = Migrations(tool="alembic", revisions=("3f2a", "9c41"))
DJANGO = Migrations(tool="django", revisions=("shop.0001", "shop.0002"))


def released(migrations: Migrations | None = ALEMBIC, heads: tuple[str, ...] = ("9c41",)) -> Release:
    release = House.build().release("v2.0.0")
    if migrations is None:
        return release
    return msgspec.structs.replace(release, migrations={"main": migrations}, migration_heads={"main": heads})


def observed(*at: str) -> Observed:
    record = EnvironmentRecord(project="shop", name="stage", tier="stage", port=8000)
    return Observed(record=record, databases={"main": "sqlite:////srv/main.db"}, revisions={"main": at})


def planned(release: Release, seen: Observed) -> Plan:
    configuration = configure("stage", TABLE, {"TOKEN": 1}, release.manifest)
    return plan_release(7, "deploy", release, configuration, seen)


def kinds(plan: Plan) -> list[str]:
    return [step.kind for step in plan.steps]


def test_a_migration_comes_after_fetch_and_before_start() -> None:
    """It is rehearsed, then carried out, before the candidate is started; the line says from where to where."""
    plan = planned(released(), observed("3f2a"))
    assert kinds(plan)[:5] == ["preflight", "fetch", "rehearse", "migrate", "start"]
    lines = plan.lines()
    assert "migrate, on a copy" in lines[2]
    assert "3f2a → 9c41, requests wait 5 s at most" in lines[3]
    rehearse = next(step for step in plan.steps if isinstance(step, Rehearse))
    assert rehearse.spec.command == "migrate"
    assert rehearse.spec.databases == {"DATABASE_URL": "sqlite:////srv/main.db"}
    assert rehearse.spec.secrets == {"TOKEN": ("TOKEN", 1)}


def test_a_database_at_its_heads_is_not_rehearsed() -> None:
    """What Alembic says is up to date costs no copy; the step says so."""
    plan = planned(released(), observed("9c41"))
    assert "rehearse" not in kinds(plan)
    (migrate,) = [step for step in plan.steps if isinstance(step, Migrate)]
    assert migrate.detail == "at 9c41 already"


@pytest.mark.parametrize(
    ("release", "at"), [(released(None), ("9c41",)), (released(DJANGO, ("shop.0002",)), ("shop.0002",))]
)
def test_where_files_do_not_tell_all_it_is_rehearsed(release: Release, at: tuple[str, ...]) -> None:
    """An unknown tool, or libraries of a Django project, may have more to do than the heads say."""
    assert "rehearse" in kinds(planned(release, observed(*at)))


@pytest.mark.parametrize(
    ("release", "at"),
    [(released(), "77aa"), (released(DJANGO, ("shop.0002",)), "shop.0003")],
)
def test_going_back_says_that_the_database_is_ahead(release: Release, at: str) -> None:
    """A release that does not know the database's revision does not migrate it, and the plan says so first."""
    plan = planned(release, observed(at))
    assert not {"rehearse", "migrate"} & set(kinds(plan))
    (reason,) = [reason for reason in plan.reasons if "does not know" in reason]
    assert f"database main is at {at}, which v2.0.0 does not know: it is not migrated back" in reason
    unit = unit_of(3, release, configure("stage", TABLE, {}, release.manifest), observed().databases)
    back = plan_rollback(unit, observed(at))
    assert reason in back.reasons
    assert not {"rehearse", "migrate"} & set(kinds(back))


def test_what_libraries_applied_is_not_ahead() -> None:
    """Django notes the migrations of its own apps too; they say nothing of the project's."""
    plan = planned(released(DJANGO, ("shop.0002",)), observed("auth.0012", "shop.0001"))
    assert "migrate" in kinds(plan)
    assert not [reason for reason in plan.reasons if "does not know" in reason]


def test_what_brings_no_migrations_says_so_where_what_serves_does() -> None:
    """Going back to a release from before migrations were brought along, the plan names the revision it will find."""
    release = released()
    manifest = msgspec.structs.replace(release.manifest, databases={"main": Database(engine="sqlite", env="U")})
    older = msgspec.structs.replace(release, manifest=manifest, migrations={}, migration_heads={})
    assert not planned(older, observed("9c41")).reasons[1:]
    serving = unit_of(3, release, configure("stage", TABLE, {}, release.manifest), observed().databases)
    seen = observed("9c41")
    seen = msgspec.structs.replace(seen, record=msgspec.structs.replace(seen.record, serving=serving))
    (reason,) = [reason for reason in planned(older, seen).reasons if "brings no migrations" in reason]
    assert "database main is at 9c41" in reason


def test_a_database_without_a_command_is_left_alone() -> None:
    """Without ``migrate`` nothing is planned."""
    release = released()
    manifest = msgspec.structs.replace(release.manifest, databases={"main": Database(engine="sqlite", env="U")})
    plan = planned(msgspec.structs.replace(release, manifest=manifest), observed("3f2a"))
    assert not {"rehearse", "migrate"} & set(kinds(plan))
