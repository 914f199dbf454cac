"""Cutovers and ways back in their corners: services that come and go, ports that move, secrets that are gone."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lading.model.environment_table import Environment, Strategy
from lading.model.errors import LadingError
from lading.model.manifest import Service
from lading.model.release import Release
from lading.model.rollout import Rollout
from lading.ports.checks import Answer
from tests.recovery.agent import MemoryAgent
from tests.recovery.house import KEY, TABLE, House


@pytest.fixture
def agent() -> MemoryAgent:
    return MemoryAgent()


def _release(agent: MemoryAgent, version: str, services: dict[str, Service], **more: Any) -> Release:
    """Add a release of the same artifact with other services."""
    known = agent.house.release(version + "-base")
    manifest = msgspec.structs.replace(known.manifest, services=services, smoke=(), **more)
    digest = "sha256:" + version
    return agent.world.journal.add_release(
        msgspec.structs.replace(known, version=version, manifest=manifest, digest=digest)
    )


def _services(agent: MemoryAgent) -> dict[str, Service]:
    return dict(agent.house.release("v0.0.1").manifest.services)


def _table(**changes: Any) -> Environment:
    return msgspec.structs.replace(TABLE, **changes)


def _routed(agent: MemoryAgent) -> list[str]:
    routes = agent.world.router.current(KEY)
    return sorted(service.service for service in routes.services) if routes is not None else []


def _running(agent: MemoryAgent) -> set[str]:
    return {name.partition("-stage-")[2] for name in agent.world.runtime.running}  # type: ignore[attr-defined]


def _fail_through_router(house: House) -> Callable[[], None]:
    """Let every check through the router fail; return what lets them pass again."""
    checks = house.world.checks
    request = checks.request

    def failing(base_url: str, *rest: Any) -> Answer:
        if base_url.startswith("http://127.0.0.1"):
            return Answer(passed=False, reason="500")
        return request(base_url, *rest)

    def heal() -> None:
        checks.request = request  # type: ignore[method-assign]

    checks.request = failing  # type: ignore[method-assign,assignment]
    return heal


# services


def test_a_release_without_web_services_has_no_routes(agent: MemoryAgent) -> None:
    """When the last web service leaves, its routes go with the cutover: none points to instances that will be gone."""
    services = _services(agent)
    agent.deploy("v1.0.0")
    _release(agent, "v2.0.0", {"worker": services["worker"]})
    assert agent.ended(agent.request("deploy", "v2.0.0")).outcome == "succeeded"
    assert _routed(agent) == []
    agent.world.clock.advance(61.0)  # type: ignore[attr-defined]
    agent.supervisor.look()
    assert _running(agent) == {"r2-worker-1"}
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    assert _routed(agent) == ["web"]


def test_routes_come_back_when_a_release_without_web_services_fails(agent: MemoryAgent) -> None:
    """A worker that dies at its start brings the routes of the previous release back."""
    services = _services(agent)
    agent.deploy("v1.0.0")
    _release(agent, "v2.0.0", {"worker": services["worker"]})
    agent.world.runtime.exit_at_start("v2.0.0")  # type: ignore[attr-defined]
    assert agent.ended(agent.request("deploy", "v2.0.0")).outcome == "rolled_back"
    assert _routed(agent) == ["web"]
    assert _running(agent) == {"r1-web-1", "r1-web-2", "r1-worker-1"}


def test_services_come_and_go_in_one_act(agent: MemoryAgent) -> None:
    """A release with a second web service and without the worker converges, and so does the way back."""
    services = _services(agent)
    agent.deploy("v1.0.0")
    api = msgspec.structs.replace(services["web"], path="/api")
    _release(agent, "v2.0.0", {"web": services["web"], "api": api})
    assert agent.ended(agent.request("deploy", "v2.0.0")).outcome == "succeeded"
    assert _routed(agent) == ["api", "web"]
    assert not [name for name in _running(agent) if "worker" in name]
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    assert _routed(agent) == ["web"]
    assert "r1-worker-1" in _running(agent)


def test_an_environment_of_workers_only(agent: MemoryAgent) -> None:
    """Without any web service a deploy hands the workers over, a bad one hands them back, and a rollback goes back."""
    services = _services(agent)
    for version in ("v1.0.0", "v2.0.0", "v3.0.0"):
        _release(agent, version, {"worker": services["worker"]})
    assert agent.ended(agent.request("deploy", "v1.0.0")).outcome == "succeeded"
    assert agent.ended(agent.request("deploy", "v2.0.0")).outcome == "succeeded"
    agent.supervisor.look()
    assert _running(agent) == {"r2-worker-1"}
    agent.world.runtime.exit_at_start("v3.0.0")  # type: ignore[attr-defined]
    assert agent.ended(agent.request("deploy", "v3.0.0")).outcome == "rolled_back"
    agent.supervisor.look()
    assert _running(agent) == {"r2-worker-1"}
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    agent.supervisor.look()
    assert _running(agent) == {"r1-worker-1"}


def test_more_and_fewer_replicas(agent: MemoryAgent) -> None:
    """Another number of replicas is a rollout of the same digest; all of them take traffic, and the old ones go."""
    agent.deploy("v1.0.0")
    for count in (3, 1):
        table = _table(replicas={"web": count}, strategy=Strategy(watch=0.5, keep_previous=0.0))
        assert agent.ended(agent.request("deploy", "v1.0.0", table=table)).outcome == "succeeded"
        agent.supervisor.look()
        routes = agent.world.router.current(KEY)
        assert routes is not None
        assert len(routes.services[0].backends) == count
        assert len([name for name in _running(agent) if "-web-" in name]) == count


# the first deploy


def test_a_first_deploy_that_fails_after_the_cutover_leaves_nothing(agent: MemoryAgent) -> None:
    """Rolled back to nothing: no routes, no instances, nothing that serves; and one can deploy again."""
    heal = _fail_through_router(agent.house)
    assert agent.deploy("v1.0.0").outcome == "rolled_back"
    assert _routed(agent) == []
    assert _running(agent) == set()
    assert agent.serves is None
    heal()
    assert agent.deploy("v1.0.0").outcome == "succeeded"
    assert agent.house.record.history == ()


# ports and domains


def test_the_port_moves_with_the_cutover_and_not_before(agent: MemoryAgent) -> None:
    """A release that never gets in, though its configuration names another port, leaves the port where it was."""
    agent.deploy("v1.0.0", table=_table(port=9001))
    agent.world.checks.fail("503", of="v1.1.0", path="/ready")  # type: ignore[attr-defined]
    assert agent.deploy("v1.1.0", table=_table(port=9002)).outcome == "unwound"
    agent.world.runtime.crash("shop-stage-r1-web-1")  # type: ignore[attr-defined]
    agent.supervisor.look()
    routes = agent.world.router.current(KEY)
    assert routes is not None
    assert (routes.port, agent.house.record.port) == (9001, 9001)


@pytest.mark.parametrize("first", [9001, None])
def test_going_back_goes_back_to_the_port(agent: MemoryAgent, first: int | None) -> None:
    """Whether the rollout turns around or a rollback asks for it: the configuration comes back as it ran, port too."""
    agent.deploy("v1.0.0", table=_table(port=first))
    before = agent.house.record.port
    heal = _fail_through_router(agent.house)
    assert agent.deploy("v1.1.0", table=_table(port=9002)).outcome == "rolled_back"
    assert agent.world.router.url(KEY) == f"http://127.0.0.1:{before}"
    heal()
    assert agent.ended(agent.request("deploy", "v1.1.0", table=_table(port=9002))).outcome == "succeeded"
    assert agent.world.router.url(KEY) == "http://127.0.0.1:9002"
    assert agent.house.record.port == 9002
    assert agent.ended(agent.request("rollback")).outcome == "succeeded"
    assert agent.world.router.url(KEY) == f"http://127.0.0.1:{before}"
    assert agent.house.record.port == before


@pytest.mark.parametrize(("old", "new"), [({"port": 9001}, {"port": 9002}), ({}, {"domain": "shop.example.org"})])
def test_the_prober_asks_at_the_new_address(agent: MemoryAgent, old: dict[str, Any], new: dict[str, Any]) -> None:
    """Where port or domain moves, the old address ends with the cutover: asking there would count its end as losses."""
    agent.deploy("v1.0.0", table=_table(**old))
    kinds = [step.kind for step in agent.deploy("v1.1.0", table=_table(**new)).plan.steps]
    assert kinds.index("prober") > kinds.index("cutover")
    kinds = [step.kind for step in agent.deploy("v1.2.0", table=_table(**new)).plan.steps]
    assert kinds.index("prober") < kinds.index("cutover")


# ways back


def test_going_forward_by_name_keeps_the_way_back(agent: MemoryAgent) -> None:
    """Back to v1, forward to v2 by name: v1 is again the way back."""
    for version in ("v0.9.0", "v1.0.0", "v2.0.0"):
        agent.deploy(version)
    for to, expected in ((None, "v1.0.0"), ("v2.0.0", "v2.0.0"), (None, "v1.0.0"), (None, "v0.9.0")):
        assert agent.ended(agent.request("rollback", to=to)).outcome == "succeeded"
        assert agent.serves == expected
        agent.supervisor.look()


def test_a_cutover_that_is_refused_keeps_the_way_back_warm(agent: MemoryAgent) -> None:
    """When the router never took the new routes, what stood by before still stands by, for as long as before."""
    agent.deploy("v1.0.0")
    agent.deploy("v1.1.0")
    until = agent.house.record.standby_until
    agent.world.router.failures = 1  # type: ignore[attr-defined]
    assert agent.deploy("v1.2.0").outcome == "unwound"
    agent.supervisor.look()
    record = agent.house.record
    assert record.standby is not None
    assert (record.standby.release.version, record.standby_until) == ("v1.0.0", until)
    assert {"r1-web-1", "r1-web-2"} <= _running(agent)


def test_nothing_kept_is_a_cold_way_back(agent: MemoryAgent) -> None:
    """With keep_previous = 0 the previous release ends with its drain; going back starts it from the store."""
    table = _table(strategy=Strategy(watch=0.5, keep_previous=0.0))
    agent.deploy("v1.0.0", table=table)
    agent.deploy("v1.1.0", table=table)
    agent.supervisor.look()
    assert not [name for name in _running(agent) if name.startswith("r1-")]
    rollout = agent.ended(agent.request("rollback"))
    assert rollout.outcome == "succeeded"
    assert "fetch" in [step.kind for step in rollout.plan.steps]
    assert agent.serves == "v1.0.0"


# secrets that are gone


def _lose_secrets(house: House) -> None:
    def gone(environment: str, name: str, version: int) -> Any:
        raise LadingError("secret-missing", happened=f"{name} {version} of {environment} is gone")

    house.world.secrets.get = gone  # type: ignore[method-assign]


def test_what_still_runs_serves_again_without_its_secrets() -> None:
    """The way back to running instances needs no secret: a broken key must not turn an undo into an outage."""
    house = House.build()
    house.deploy("v1.0.0")
    rollout = house.open_deploy("v1.1.0")
    apply = house.world.router.apply

    def applying(routes: Any) -> None:
        apply(routes)
        _lose_secrets(house)

    house.world.router.apply = applying  # type: ignore[method-assign]
    ended = house.carry(rollout)
    assert ended.outcome == "rolled_back"
    assert house.world.router.ask(KEY).startswith("shop-stage-r1-web")  # type: ignore[attr-defined]


def test_no_worker_is_stopped_for_one_that_cannot_have_its_secrets() -> None:
    """A new worker's secrets are at hand before the old worker is asked to end."""
    house = House.build()
    house.deploy("v1.0.0")
    rollout: Rollout = house.open_deploy("v1.1.0")
    get, stops = house.world.secrets.get, house.world.runtime.recorded.stops  # type: ignore[attr-defined]
    apply = house.world.router.apply

    def applying(routes: Any) -> None:
        apply(routes)
        if routes.generation != "r1":
            _lose_secrets(house)
        else:
            house.world.secrets.get = get  # type: ignore[method-assign]

    house.world.router.apply = applying  # type: ignore[method-assign]
    assert house.carry(rollout).outcome in ("rolled_back", "stuck")
    assert "shop-stage-r1-worker-1" not in stops
    assert "shop-stage-r1-worker-1" in house.world.runtime.running  # type: ignore[attr-defined]
