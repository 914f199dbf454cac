"""Holds of containers: paused while their database is migrated, and let go again by whoever comes after a death."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.engine.faults import Fault
from lading.ports.runtime import HeldResult
from tests.agents import ended
from tests.containers import ContainerAgent, containers, engine_shared, with_engine
from tests.projects import COMMAND, DOCKERFILE, MANIFEST, make_project
from tests.strikes import ROLLOUTS, port, problems, strike
from tests.support import until
from tests.support_agent import commit
from tests.support_holds import ContainedHouse
from tests.support_router import load
from tests.system.test_migrate import MIGRATION, Hurts, revision

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture
def house() -> Iterator[ContainedHouse]:
    with containers() as world:
        house = ContainedHouse(world)
        house.start("one", "two")
        yield house


def guard_of(house: ContainedHouse) -> int:
    lock = house.world.home / "docker" / "holds" / "h" / "lock"
    until(lambda: lock.exists() and len(lock.read_text().split()) == 2, within=10)
    return int(lock.read_text().split()[0])


def hangs(house: ContainedHouse) -> bool:
    """Tell whether the migration is in the middle of its work."""
    return "hanging" in house.runtime._containers["run"].output("h", 50)


@with_engine
def test_a_killed_guard_is_followed_by_one_that_restores(house: ContainedHouse) -> None:
    """A guard killed while the migration writes: the next one ends the migration, restores, and lets everybody go."""
    results: list[HeldResult] = []
    held = house.hold("h", words="hang 3")
    caller = threading.Thread(target=lambda: results.append(house.runtime.run_held(held, {})))
    caller.start()
    until(lambda: hangs(house), within=20)
    assert house.stands_still("one")
    os.kill(guard_of(house), signal.SIGKILL)
    caller.join(timeout=40)
    assert [result.outcome for result in results] == ["restored"]
    assert not hangs(house)
    house.assert_untouched("one", "two")


@with_engine
def test_a_new_agent_settles_what_was_left(house: ContainedHouse) -> None:
    """Caller and guard are gone, containers are paused: whoever comes next finds the hold by name and ends it."""
    held = house.hold("h", words="hang 3")
    caller = os.fork()
    if caller == 0:
        house.runtime.run_held(held, {})
        os._exit(0)
    until(lambda: hangs(house), within=20)
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    os.kill(guard_of(house), signal.SIGKILL)
    runtime = house.reopen()
    assert runtime.unsettled("shop/stage") == ("h",)
    until(lambda: runtime.settle("h") is not None, within=20)
    result = runtime.settle("h")
    assert result is not None
    assert result.outcome == "restored"
    assert runtime.unsettled("shop/stage") == ()
    house.assert_untouched("one", "two")


@with_engine
def test_one_that_takes_too_long_is_ended(house: ContainedHouse) -> None:
    """At the limit the migration is killed in the middle of a transaction; nobody stands still for longer."""
    result = house.runtime.run_held(house.hold("h", words="hang 3", limit=3.0), {})
    assert (result.outcome, result.exit_status) == ("restored", None)
    assert result.held < 3.0
    assert "hanging" in result.output
    house.assert_untouched("one", "two")


@with_engine
def test_what_was_paused_before_is_left_alone(house: ContainedHouse) -> None:
    """Somebody paused a container for a reason of his own: it is neither noted nor let go."""
    house.pause("two")
    assert house.runtime.run_held(house.hold("h"), {}).outcome == "kept"
    assert house.stands_still("two")
    house.writes_on("one")


# the road


def project(home: Path, version: str, rev: str, *, image: bool, hurts: Hurts = None) -> None:
    """Commit a version that migrates the database to a revision, as an image or as a bundle."""
    app = (home / "orders.py").read_text()
    (home / "orders.py").write_text(app.replace(app.partition('RELEASE = "')[2].partition('"')[0], version))
    # A container finds a copy elsewhere than a process does.
    migration = MIGRATION.replace('"rehearsals" not in path', '"/main/main.db" in path')
    (home / "migrate.py").write_text(migration.format(hurts=hurts, revision=rev))
    text = MANIFEST.replace('env    = "DATABASE_URL"', 'env    = "DATABASE_URL"\nmigrate = "python migrate.py"')
    if image:
        text = text.replace('bundle = "requirements.txt"', 'dockerfile = "Dockerfile"').replace(COMMAND, "")
        (home / "Dockerfile").write_text(DOCKERFILE)
    (home / "lading.toml").write_text(text)
    commit(home, version, tag=version)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerAgent]:
    """An agent whose local environment serves v1.0.0, a bundle."""
    home = tmp_path_factory.mktemp("holds")
    agent = ContainerAgent(home / "home", make_project(home / "project"))
    with engine_shared(), ended([agent]):
        agent.secret("local")
        agent.checkout("v1.0.0")
        assert agent.deploy("v1.0.0").exit == 0
        yield agent


@with_engine
def test_from_bundle_to_image_and_back_under_requests(agent: ContainerAgent) -> None:
    """An image migrates while processes stand still, a bundle while containers are paused: no request is lost."""
    with load(port(agent), per_second=60) as traffic:
        for version, rev, image in (("v2.0.0", "3f2a", True), ("v2.1.0", "9c41", True), ("v2.2.0", "77aa", False)):
            project(agent.project, version, rev, image=image)
            told = agent.lading("deploy", "local")
            assert (told.exit, told.rollout["lost_requests"]) == (0, 0), told
            assert told.rollout["held_seconds"] > 0
            assert revision(agent) == rev
    assert traffic.failures == []
    assert set(traffic.names) >= {"v2.0.0", "v2.1.0", "v2.2.0"}
    assert problems(agent) == []


@with_engine
def test_a_migration_of_an_image_that_fails(agent: ContainerAgent) -> None:
    """On the copy nobody is held; on the database itself it is restored before anybody goes on."""
    before = revision(agent)
    project(agent.project, "v2.3.0", "aaaa", image=True, hurts=("fails", 3, "for real"))
    with load(port(agent), per_second=60) as traffic:
        told = agent.lading("deploy", "local")
    assert (told.exit, told.outcome) == (4, "unwound")
    assert "though it went well on a copy" in told.error["happened"]
    assert any("payouts.settled_at" in line for line in told.error["details"])
    assert revision(agent) == before
    assert traffic.failures == []
    assert problems(agent) == []


@with_engine
def test_an_agent_killed_in_the_hold(agent: ContainerAgent) -> None:
    """The guard carries the hold to its end, and the next agent goes on from there."""
    project(agent.project, "v2.4.0", "bbbb", image=True)
    assert agent.lading("release").exit == 0
    with load(port(agent), per_second=60) as traffic:
        fault = Fault(point="runtime.run_held:after", act="kill", thread=ROLLOUTS)
        assert strike(agent, fault, "deploy", "local", "v2.4.0").outcome == "succeeded"
    assert traffic.failures == []
    assert revision(agent) == "bbbb"
    assert problems(agent) == []
