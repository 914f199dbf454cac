"""The road without faults: what a deploy, a bad release, a rollback and a watch leave behind."""

import msgspec

from lading.model.environment import Counters
from lading.model.environment_table import Strategy
from lading.ports.checks.memory import MemoryChecks
from tests.recovery.house import KEY, TABLE, House


def test_a_first_deploy_serves_and_has_a_bill() -> None:
    """The first deploy of an environment ends with its release serving and its gates signed."""
    house = House.build()
    rollout = house.deploy("v1.0.0")
    assert rollout.outcome == "succeeded"
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"
    gates = {statement.gate for statement in house.world.signer.signed}  # type: ignore[attr-defined]
    assert gates == {"rollout", "smoke", "watch"}


def test_a_second_deploy_keeps_the_previous_up() -> None:
    """After a deploy the previous release stands by with its instances running, for an instant way back."""
    house = House.build()
    first, second = house.deploy("v1.0.0"), house.deploy("v1.1.0")
    assert second.outcome == "succeeded"
    assert house.record.history == (first.id,)
    assert house.record.standby is not None
    running = set(house.world.runtime.running)  # type: ignore[attr-defined]
    web = {f"shop-stage-r{number}-web-{slot}" for number in (first.id, second.id) for slot in (1, 2)}
    assert running == web | {f"shop-stage-r{second.id}-worker-1"}


def test_a_warm_rollback_is_a_route_change() -> None:
    """Going back while the previous release stands by starts no web instance, and never rebuilds."""
    house = House.build()
    first = house.deploy("v1.0.0")
    house.deploy("v1.1.0")
    before = list(house.world.runtime.recorded.starts)  # type: ignore[attr-defined]
    rollout = house.carry(house.open_rollback())
    assert rollout.outcome == "succeeded"
    started = house.world.runtime.recorded.starts[len(before) :]  # type: ignore[attr-defined]
    assert started == [f"shop-stage-r{first.id}-worker-1"]
    assert house.record.serving is not None
    assert house.record.serving.rollout == first.id
    assert house.record.history == ()


def test_a_rollback_restores_the_configuration_as_it_ran() -> None:
    """A rollback returns to the configuration and secret versions of that rollout, not to today's."""
    house = House.build()
    house.deploy("v1.0.0")
    table = msgspec.structs.replace(TABLE, env={"COLOUR": "green"})
    house.carry(house.open_deploy("v1.1.0", table=table))
    house.carry(house.open_rollback())
    assert house.record.serving is not None
    assert {spec.env["COLOUR"] for spec in house.record.serving.instances} == {"blue"}


def test_a_release_that_never_gets_ready_never_gets_in() -> None:
    """A release whose ready check never passes is removed; the old one serves and the verdict keeps the deadline."""
    house = House.build()
    house.deploy("v1.0.0")
    checks = house.world.checks
    assert isinstance(checks, MemoryChecks)
    checks.fail('503, body: {"database": "unreachable"}', of="v1.2.0", path="/ready")
    start = house.world.clock.monotonic()
    rollout = house.deploy("v1.2.0")
    assert rollout.outcome == "unwound"
    assert rollout.error is not None
    assert rollout.error["code"] == "ready-failed"
    assert house.world.clock.monotonic() - start <= 2.0 * 1.1 + 0.1
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"
    assert not [name for name in house.world.runtime.running if f"r{rollout.id}-" in name]  # type: ignore[attr-defined]
    failed = house.world.signer.signed[-1]  # type: ignore[attr-defined]
    assert (failed.gate, failed.passed) == ("rollout", False)


def test_errors_while_watched_turn_back() -> None:
    """More 5xx answers than the budget allows route back to the previous release: outcome rolled_back."""
    house = House.build()
    house.deploy("v1.0.0")
    opened = house.open_deploy("v1.1.0")
    clock = house.world.clock
    start = clock.monotonic()

    def counting(_environment: str, generation: str) -> Counters:
        if generation == f"r{opened.id}" and clock.monotonic() - start > 1.4:
            return Counters(requests=100, errors=30)
        return Counters()

    house.world.router.counting = counting  # type: ignore[attr-defined]
    rollout = house.carry(opened)
    assert rollout.outcome == "rolled_back"
    assert rollout.error is not None
    assert rollout.error["code"] == "watch-failed"
    assert house.record.serving is not None
    assert house.record.serving.release.version == "v1.0.0"
    assert house.world.router.ask(KEY).startswith("shop-stage-r1-web")  # type: ignore[attr-defined]
    assert f"shop-stage-r{opened.id}-worker-1" not in house.world.runtime.running  # type: ignore[attr-defined]


def test_lost_requests_are_in_the_result_and_the_bill() -> None:
    """What the prober loses is the rollout's number, whatever the outcome."""
    house = House.build()
    house.deploy("v1.0.0")
    house.world.clock.at(0.5, lambda: house.world.prober.lose(3))  # type: ignore[attr-defined]
    rollout = house.deploy("v1.1.0")
    assert rollout.lost_requests == 3
    assert rollout.requests > 3


def test_connections_left_at_the_limit_are_closed_and_counted() -> None:
    """A stream longer than the drain limit is ended by the instance's own stop, and the bill says how many."""
    house = House.build()
    first = house.deploy("v1.0.0")
    house.world.runtime.set_connections(f"shop-stage-r{first.id}-web-1", 2)  # type: ignore[attr-defined]
    table = msgspec.structs.replace(TABLE, strategy=Strategy(watch=0.0, drain_limit=1.0, keep_previous=60.0))
    second = house.carry(house.open_deploy("v1.1.0", table=table))
    assert second.outcome == "succeeded"
    drained = [mark for mark in house.world.journal.marks(second.id) if second.plan.steps[mark.step].kind == "drain"]
    assert drained[-1].result["closed"] == 2
    assert f"shop-stage-r{first.id}-web-1" not in house.world.runtime.running  # type: ignore[attr-defined]


def test_no_secret_is_told() -> None:
    """A secret value that an instance prints is masked in events, errors and marks."""
    house = House.build()
    house.deploy("v1.0.0")
    checks = house.world.checks
    assert isinstance(checks, MemoryChecks)
    checks.fail("403, body: token canary-4711 refused", of="v1.1.0", path="/ready")
    rollout = house.deploy("v1.1.0")
    told = msgspec.json.encode([house.world.journal.events(rollout.id), house.world.journal.marks(rollout.id), rollout])
    assert b"canary-4711" not in told
    assert "•••".encode() in told
