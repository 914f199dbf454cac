"""Services with an image of somebody else's: kept, replaced, brought back, ended when nobody wants them any more."""

from typing import Any

import msgspec
import pytest

from lading.engine.faults import Fault
from lading.model.data_steps import StartBacking
from lading.model.environment import InstanceSpec
from lading.model.manifest import Manifest, Service, Volume
from lading.model.plan import Start
from lading.model.release import Artifact, Layer, Platform, Release, backing_name, release_digest
from lading.model.rollout import Rollout
from lading.planner.backing import only
from lading.planner.plans import plan_backing, plan_release, plan_rollback
from lading.planner.units import configure
from lading.ports.runtime import Run, RunResult
from lading.ports.runtime.memory import MemoryRuntime
from tests.recovery.house import ENVIRONMENT, KEY, TABLE, House
from tests.recovery.releases import PROJECT

NAME = f"{PROJECT}.{ENVIRONMENT}.cache"
CACHE = Service(build="", image="redis:7", check="ping", volumes={"cache": Volume(path="/data")}, env={"LEVEL": "low"})


@pytest.fixture
def house() -> House:
    return House.build()


def runtime(house: House) -> MemoryRuntime:
    assert isinstance(house.world.runtime, MemoryRuntime)
    return house.world.runtime


def release(house: House, version: str, cache: Service | None, image: str = "a") -> Release:
    """A release of the house's project with a backing service, whose image has this content."""
    plain = house.release(version)
    services = {"cache": cache} if cache is not None else {}
    manifest: Manifest = msgspec.structs.replace(plain.manifest, services={**plain.manifest.services, **services})
    layer = Layer(role="config", diff_id=f"sha256:{image * 64}", digest="sha256:0", size=0, media_type="json")
    machine = Platform(system="linux", machine=house.world.runtime.platform().machine)
    taken = Artifact(
        name=backing_name("cache"), kind="image", digest=f"sha256:{image}", platform=machine, layers=(layer,)
    )
    artifacts = (*plain.artifacts, taken) if cache is not None else plain.artifacts
    return msgspec.structs.replace(
        plain, artifacts=artifacts, manifest=manifest, digest=release_digest(artifacts, manifest, {})
    )


def begin(house: House, wanted: Release, table: Any = TABLE) -> Rollout:
    configuration = configure(ENVIRONMENT, table, house.world.secrets.versions(KEY), wanted.manifest)
    observed = house.observed()
    return house.world.journal.begin(
        project=PROJECT,
        environment=ENVIRONMENT,
        kind="deploy",
        requested_by="test",
        at=house.world.clock.now(),
        plan=lambda number: plan_release(number, "deploy", wanted, configuration, observed),
    )


def deploy(house: House, version: str, cache: Service | None = CACHE, image: str = "a") -> Rollout:
    return house.carry(begin(house, release(house, version, cache, image)))


def spec(house: House) -> InstanceSpec:
    return runtime(house).spec_of(NAME)


def said(rollout: Rollout) -> StartBacking:
    (found,) = [step for step in rollout.plan.steps if isinstance(step, StartBacking)]
    return found


@pytest.fixture(autouse=True)
def _no_blobs(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """Nothing of these images lies in the store; what fetching does with them is tested elsewhere."""
    monkeypatch.setattr(house.world.store, "verify", lambda _release: None)


def test_it_is_started_before_what_asks_it_and_kept(house: House) -> None:
    """The next release finds the same process: nothing of a release or rollout is in what it is made of."""
    first = deploy(house, "v1.0.0")
    assert first.outcome == "succeeded", first.error
    kinds = [type(step) for step in first.plan.steps]
    assert kinds.index(StartBacking) < kinds.index(Start)
    before = runtime(house).look(NAME)
    again = deploy(house, "v1.1.0")
    assert again.outcome == "succeeded"
    assert said(again).detail == "redis:7, unchanged: left as it runs"
    assert runtime(house).look(NAME) == before
    assert (spec(house).secrets, spec(house).port, spec(house).env) == ({}, None, {"LEVEL": "low"})


@pytest.mark.parametrize(
    ("cache", "image"),
    [
        (msgspec.structs.replace(CACHE, image="redis:8"), "a"),
        (CACHE, "b"),
        (msgspec.structs.replace(CACHE, env={"LEVEL": "high"}), "a"),
    ],
)
def test_another_takes_its_place_and_a_rollback_brings_it_back(house: House, cache: Service, image: str) -> None:
    """Another tag, another image under the same tag, another variable: one runs at a time, the release's own."""
    deploy(house, "v1.0.0")
    before = spec(house)
    told = deploy(house, "v1.1.0", cache, image)
    assert told.outcome == "succeeded", told.error
    assert spec(house) != before
    assert house.record.backing["cache"] == spec(house)
    observed = house.observed()
    back = house.world.journal.begin(
        project=PROJECT,
        environment=ENVIRONMENT,
        kind="rollback",
        requested_by="test",
        at=house.world.clock.now(),
        plan=lambda _number: plan_rollback(house.unit(house.record.history[0]), observed),
    )
    assert house.carry(back).outcome == "succeeded"
    assert spec(house) == before == house.record.backing["cache"]


def test_a_release_that_is_turned_back_leaves_it_as_it_was(house: House) -> None:
    """The release that serves gets back what it was tested with; of a first release nothing is left."""
    runtime(house).script_run("ping", RunResult(exit_status=1, output="no answer\n", outputs="", seconds=0.1))
    first = deploy(house, "v1.0.0")
    assert (first.outcome, house.record.backing) == ("unwound", {})
    assert runtime(house).look(NAME) is None
    assert first.error is not None
    assert "its check exit status 1: no answer" in first.error["happened"]

    runtime(house).script_run("ping", RunResult(exit_status=0, output="PONG", outputs="", seconds=0.1))
    deploy(house, "v1.0.0")
    before = spec(house)
    house.world.checks.fail("503", of="v1.2.0", path="/ready")  # type: ignore[attr-defined]
    assert deploy(house, "v1.2.0", msgspec.structs.replace(CACHE, image="redis:8")).outcome == "unwound"
    assert (spec(house), house.record.backing["cache"]) == (before, before)
    state = runtime(house).look(NAME)
    assert state is not None
    assert state.running


def test_its_check_asks_until_it_passes(house: House) -> None:
    """A service that needs a moment is given it; the check runs in its image, without its files."""
    tries: list[Run] = []

    def check(run: Run) -> RunResult:
        tries.append(run)
        return RunResult(exit_status=0 if len(tries) > 3 else 1, output="loading", outputs="", seconds=0.1)

    runtime(house).script_run("ping", check)
    assert deploy(house, "v1.0.0").outcome == "succeeded"
    assert len(tries) == 4
    assert (tries[0].spec.command, tries[0].spec.volumes, tries[0].spec.image) == ("ping", {}, "redis:7")
    assert deploy(house, "v1.1.0").outcome == "succeeded"
    assert len(tries) == 4


def test_who_has_no_check_must_stay_up(house: House) -> None:
    """One that ends at once is said to have ended, with its last words."""
    runtime(house).exit_at_start("redis:7", 1)
    told = deploy(house, "v1.0.0", msgspec.structs.replace(CACHE, check=None))
    assert told.outcome == "unwound"
    assert told.error is not None
    assert told.error["happened"].startswith("it ")


def test_it_ends_when_no_release_wants_it_any_more(house: House) -> None:
    """Not while the release before stands by for an instant way back; its data stays where it lies."""
    deploy(house, "v1.0.0")
    deploy(house, "v1.1.0", None)
    assert "cache" in house.record.backing
    deploy(house, "v1.3.0", None)
    assert house.record.backing == {}
    assert runtime(house).look(NAME) is None


POINTS = ("runtime.stop", "runtime.remove", "runtime.start", "runtime.run", "journal.save_environment")


@pytest.mark.parametrize("act", ["kill", "fail"])
@pytest.mark.parametrize("point", [f"{point}:{side}" for point in POINTS for side in ("before", "after")])
def test_an_agent_that_dies_meanwhile_ends_old_or_new(house: House, point: str, act: str) -> None:
    """Whatever breaks while one is replaced: the environment runs the one that its release wants, and only that."""
    deploy(house, "v1.0.0")
    old = spec(house)
    opened = begin(house, release(house, "v1.1.0", msgspec.structs.replace(CACHE, image="redis:8")))
    world = house.with_faults(Fault(point=point, act=act))
    ended = house.carry_through(opened.id, world)
    assert ended.outcome in ("succeeded", "unwound"), ended.error
    wanted = "redis:8" if ended.outcome == "succeeded" else "redis:7"
    assert (spec(house).image, house.record.backing["cache"]) == (wanted, spec(house))
    assert (spec(house) == old) == (wanted == "redis:7")
    state = runtime(house).look(NAME)
    assert state is not None
    assert state.running


ALONE = (*POINTS, "runtime.prepare", "store.verify", "journal.finish", "journal.mark")


@pytest.mark.parametrize("act", ["kill", "fail"])
@pytest.mark.parametrize("point", [f"{point}:{side}" for point in ALONE for side in ("before", "after")])
def test_brought_up_without_a_release_it_is_there_or_not(house: House, point: str, act: str) -> None:
    """Whatever breaks meanwhile, an outcome comes: what the record names runs, and nothing else does."""
    whole = release(house, "v1.0.0", CACHE)
    manifest, table = only(whole.manifest, TABLE)
    taken = tuple(one for one in whole.artifacts if one.name == backing_name("cache"))
    wanted = msgspec.structs.replace(whole, manifest=manifest, artifacts=taken)
    configuration, observed = configure(ENVIRONMENT, table, {}, manifest), house.observed()
    opened = house.world.journal.begin(
        project=PROJECT,
        environment=ENVIRONMENT,
        kind="dev",
        requested_by="test",
        at=house.world.clock.now(),
        plan=lambda number: plan_backing(number, wanted, configuration, observed),
    )
    ended = house.carry_through(opened.id, house.with_faults(Fault(point=point, act=act)))
    assert ended.outcome in ("succeeded", "unwound"), ended.error
    there = ended.outcome == "succeeded"
    assert (house.record.serving, set(house.record.backing)) == (None, {"cache"} if there else set())
    assert runtime(house).running == ((NAME,) if there else ())
