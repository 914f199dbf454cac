"""The point of no return: until the watch has ended a rollout can be turned back, from then on it cannot."""

import threading
from typing import Any

import msgspec
import pytest

from lading.model.environment import Counters
from lading.model.environment_table import Strategy
from lading.model.errors import LadingError
from lading.model.manifest import Probe
from lading.model.rollout import Mark, Rollout
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import TABLE, House
from tests.support import until

STREAMING = msgspec.structs.replace(TABLE, strategy=Strategy(watch=0.5, drain_limit=1e9, keep_previous=60.0))


def _index(rollout: Rollout, kind: str) -> int:
    return [step.kind for step in rollout.plan.steps].index(kind)


def _on_mark(house: House, rollout: Rollout, kind: str, phase: str, act: Any) -> None:
    """Do something right after a step's mark was made."""
    journal = house.world.journal
    mark_of = journal.mark

    def marking(number: int, mark: Mark, *rest: Any) -> None:
        mark_of(number, mark, *rest)
        if (number, mark.step, mark.phase) == (rollout.id, _index(rollout, kind), phase):
            act()

    journal.mark = marking  # type: ignore[method-assign,assignment]


def _warnings(house: House, rollout: Rollout) -> list[str]:
    return [event.text for event in house.world.journal.events(rollout.id) if event.kind == "warning"]


@pytest.mark.parametrize("kind", ["drain", "attest", "prune"])
def test_who_cancels_after_the_watch_comes_too_late(kind: str) -> None:
    """Cancelling behind the point of no return disturbs nothing: the previous release is drained and stands by."""
    house = House.build()
    house.deploy("v1.0.0")
    house.world.runtime.set_connections("shop-stage-r1-web-1", 1)  # type: ignore[attr-defined]
    rollout = house.open_deploy("v1.1.0")
    clock = house.world.clock

    def cancel() -> None:
        clock.at(0.05, lambda: house.world.journal.request_cancel(rollout.id, "ada"))  # type: ignore[attr-defined]
        clock.at(0.1, lambda: house.world.runtime.set_connections("shop-stage-r1-web-1", 0))  # type: ignore[attr-defined]
        clock.wait(0.06 if kind != "drain" else 0.0, lambda: False)

    _on_mark(house, rollout, kind, "intent", cancel)
    ended = house.carry(rollout)
    assert ended.cancel == "ada"
    assert ended.outcome == "succeeded"
    assert _warnings(house, rollout) == []
    assert house.record.standby_until > clock.now()


def test_who_cancels_as_the_watch_ends_is_heard() -> None:
    """A cancellation noted before the point of no return is marked turns the rollout back."""
    house = House.build()
    house.deploy("v1.0.0")
    rollout = house.open_deploy("v1.1.0")
    _on_mark(house, rollout, "watch", "outcome", lambda: house.world.journal.request_cancel(rollout.id, "ada"))
    assert house.carry(rollout).outcome == "rolled_back"
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"


def test_a_rollback_while_draining_is_busy() -> None:
    """Behind the point of no return a rollback is refused as busy: it must not look done while nothing turns back."""
    agent = MemoryAgent()
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    runtime = agent.world.runtime
    runtime.set_connections("shop-stage-r1-web-1", 1)  # type: ignore[attr-defined]
    rollout = agent.opened("deploy", "v1.1.0", table=STREAMING)
    draining = _index(rollout, "drain")
    until(lambda: any(mark.step == draining for mark in agent.world.journal.marks(rollout.id)), within=20)
    with pytest.raises(LadingError) as refused:
        agent.request("rollback")
    runtime.set_connections("shop-stage-r1-web-1", 0)  # type: ignore[attr-defined]
    assert refused.value.code == "busy"
    assert agent.ended(rollout).outcome == "succeeded"
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    assert agent.serves == "v1.0.0"


def test_asking_twice_to_go_back_does_not_return_to_the_bad_release() -> None:
    """A second rollback while the first one is watched is busy: turning that back would bring the bad release again."""
    agent = MemoryAgent()
    agent.deploy("v1.0.0")
    agent.deploy("v1.1.0")
    watching, go = threading.Event(), threading.Event()
    counters = agent.world.router.counters

    def slow(environment: str, generation: str) -> Counters:
        watching.set()
        go.wait(10)
        return counters(environment, generation)

    agent.world.router.counters = slow  # type: ignore[method-assign]
    first = agent.opened("rollback")
    assert watching.wait(10)
    with pytest.raises(LadingError) as refused:
        agent.request("rollback")
    go.set()
    assert refused.value.code == "busy"
    assert agent.ended(first).outcome == "succeeded"
    assert agent.serves == "v1.0.0"


def test_a_long_pause_between_probes_is_cut_short() -> None:
    """Who cancels is heard within a second, however rarely a release wants to be asked."""
    house = House.build()
    release = house.release("v1.0.0")
    patient = Probe(path="/ready", within=600.0, interval=120.0)
    services = {
        name: msgspec.structs.replace(service, health=None, ready=patient) if service.port else service
        for name, service in release.manifest.services.items()
    }
    manifest = msgspec.structs.replace(release.manifest, services=services)
    patiently = msgspec.structs.replace(release, version="v1.1.0", digest="sha256:patient", manifest=manifest)
    house.world.journal.add_release(patiently)
    house.world.checks.fail("503", of="v1.1.0", path="/ready")  # type: ignore[attr-defined]
    house.release = lambda _version: patiently  # type: ignore[method-assign,assignment]
    rollout = house.open_deploy("v1.1.0")
    clock = house.world.clock
    clock.at(10.0, lambda: house.world.journal.request_cancel(rollout.id, "ada"))  # type: ignore[attr-defined]
    assert house.carry(rollout).outcome == "cancelled"
    assert clock.monotonic() < 11.0


def test_cancelling_too_late_says_so() -> None:
    """Who cancels behind the point of no return is told that it is too late; what has ended is left alone."""
    agent = MemoryAgent()
    agent.deploy("v1.0.0")
    agent.house.release("v1.1.0")
    runtime = agent.world.runtime
    runtime.set_connections("shop-stage-r1-web-1", 1)  # type: ignore[attr-defined]
    rollout = agent.opened("deploy", "v1.1.0", table=STREAMING)
    draining = _index(rollout, "drain")
    until(lambda: any(mark.step == draining for mark in agent.world.journal.marks(rollout.id)), within=20)
    with pytest.raises(LadingError, match="too late") as refused:
        agent.rollouts.cancel(rollout.id, "ada")
    runtime.set_connections("shop-stage-r1-web-1", 0)  # type: ignore[attr-defined]
    assert refused.value.code == "busy"
    assert agent.ended(rollout).outcome == "succeeded"
    agent.rollouts.cancel(rollout.id, "ada")
