"""What is worse than a killed agent: power lost, clients gone, two at once, a full disk, taken ports, changed bytes."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents import PORTS_EACH, RealAgent, answer, copy_of, ended, kill
from tests.calamities import can_mount, change_byte, full, halted_at, layer_of, reboot_at, small_disk, taken, taken_over
from tests.strikes import other, port, problems, served
from tests.support import until
from tests.support_router import load

pytestmark = [pytest.mark.system, pytest.mark.recovery]

REBOOTS = (("runtime.start:after", 1), ("router.apply:before", 1), ("router.apply:after", 1), ("signer.sign:before", 1))


@pytest.mark.parametrize(("point", "at"), REBOOTS)
def test_a_machine_that_loses_power(shared: RealAgent, point: str, at: int) -> None:
    """Agent, instances, keepers, router and holder die at once: the agent alone brings all of it back, old or new."""
    before = served(shared)
    assert reboot_at(shared, other(before), point, at) < 10.0
    assert shared.settle() in ("succeeded", "unwound", "rolled_back")
    assert served(shared) in (before, other(before))
    assert problems(shared) == []


def test_a_client_that_is_killed(shared: RealAgent) -> None:
    """Once the agent has accepted a rollout, it ends without the client."""
    wanted = other(served(shared))
    client = shared.begin("deploy", "local", wanted)
    until(shared.unfinished, within=20)
    client.kill()
    client.communicate()
    assert shared.settle() == "succeeded"
    assert served(shared) == wanted
    assert problems(shared) == []


def test_two_deploys_at_once(shared: RealAgent) -> None:
    """Of two deploys at the same moment one is carried out and the other is refused as busy; neither half of each."""
    wanted = other(served(shared))
    both = [shared.begin("deploy", "local", version) for version in (wanted, "v1.4.0")]
    said = [shared.told(command) for command in both]
    assert sorted(told.exit for told in said) == [0, 6], said
    winner = next(told for told in said if told.exit == 0)
    assert served(shared) == winner.rollout["release"]
    assert problems(shared) == []
    if winner.rollout["release"] == "v1.4.0":
        assert shared.rollback().exit == 0


def test_a_killed_router(shared: RealAgent) -> None:
    """A killed Traefik refuses no connection and serves again within a second, with the agent dead."""
    holder = json.loads((shared.home / "router" / "holder.json").read_text())
    number = port(shared)
    shared.kill()
    with load(number, per_second=50, only_new=True) as traffic:
        until(lambda: traffic.sent > 20)
        kill(holder["router"][0])
        until(lambda: answer(f"http://127.0.0.1:{number}/")[0] == 200, within=1.0)
        count = traffic.sent
        until(lambda: traffic.sent > count + 50)
    assert [failure for failure in traffic.failures if "refused" in failure.lower()] == []
    shared.start()
    assert problems(shared) == []


def test_changed_bytes_are_never_started(agent: RealAgent) -> None:
    """A stored blob or a laid-out file that was changed is found out before anything starts; the old release serves."""
    assert agent.deploy("v1.0.0").exit == 0
    source = layer_of(agent, "v1.1.0", "source")
    change_byte(agent.home / "store" / "blobs" / "sha256" / source["digest"].removeprefix("sha256:"))
    told = agent.deploy("v1.1.0")
    assert (told.exit, told.error["code"]) == (4, "artifact-corrupt"), told
    assert served(agent) == "v1.0.0"

    environment = layer_of(agent, "v1.4.0", "environment")
    laid = agent.home / "store" / "layers" / environment["diff_id"].removeprefix("sha256:")
    change_byte(next(laid.glob("lib/python3*/site-packages/h11/_events.py")))
    told = agent.deploy("v1.4.0")
    assert (told.exit, told.error["code"]) == (4, "artifact-corrupt"), told
    assert "_events.py" in told.error["happened"]
    assert answer(agent.url()) == (200, "v1.0.0")
    assert problems(agent) == []


def test_taken_ports(agent: RealAgent) -> None:
    """Where other programs hold all ports a rollout is unwound, and says so; once they are free it works."""
    assert agent.deploy("v1.0.0").exit == 0
    first = agent.first_port + PORTS_EACH // 2
    with taken(range(first, first + PORTS_EACH // 2)):
        told = agent.deploy("v1.1.0")
    assert (told.exit, told.outcome, told.error["code"]) == (4, "unwound", "port-taken"), told
    assert answer(agent.url()) == (200, "v1.0.0")
    assert agent.deploy("v1.1.0").exit == 0


def test_a_router_port_taken_over_a_reboot(agent: RealAgent) -> None:
    """A program that took an environment's port while the machine was down is named; when it is gone, all is served."""
    assert agent.deploy("v1.0.0").exit == 0
    number = port(agent)
    agent.reboot()
    with taken_over(number):
        agent.start()
        told = agent.deploy("v1.1.0")
        assert told.error["code"] == "port-taken", told
        assert str(number) in str(told.error)
    until(lambda: answer(f"http://127.0.0.1:{number}/") == (200, "v1.0.0"), within=10)
    assert agent.deploy("v1.1.0").exit == 0
    assert port(agent) == number


@pytest.fixture
def cramped(template: Path, tmp_path: Path) -> Iterator[RealAgent]:
    """An agent whose home is on a small disk of its own, v1.0.0 serving."""
    if not can_mount():
        pytest.skip("only root can make a small disk")
    with small_disk(tmp_path / "disk", megabytes=220) as disk:
        agent = copy_of(template, disk)
        with ended([agent]):
            assert agent.deploy("v1.0.0").exit == 0
            yield agent


@pytest.mark.parametrize("point", ["runtime.start:before", "router.apply:before"])
def test_a_full_disk(cramped: RealAgent, point: str) -> None:
    """A disk that fills up parks the rollout: what serves goes on, status says why, and with space again it ends."""
    url = cramped.url()
    with load(port(cramped), per_second=20) as traffic:
        with contextlib.ExitStack() as filled:
            with halted_at(cramped, "v1.1.0", point):
                filled.enter_context(full(cramped.home.parent))
            until(lambda: "waiting: the journal cannot be used" in str(cramped.environment()["rollout"]), within=20)
            assert answer(url)[0] == 200
            assert "parked" in (cramped.home / "agent.log").read_text()
        assert cramped.settle() in ("succeeded", "unwound", "rolled_back")
    assert traffic.failures == []
    assert problems(cramped) == []
