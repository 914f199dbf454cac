"""What happens to a house before faults meet it, and what must be true of it afterwards."""

import dataclasses
from collections.abc import Callable

from lading.model.environment import Counters
from lading.model.environment_table import Environment
from lading.model.rollout import Rollout
from lading.ports.checks.memory import MemoryChecks
from lading.ports.database.memory import Data
from lading.ports.runtime import Run, RunResult
from lading.ports.server.memory import Served
from tests.recovery.house import ALONE, CACHE, KEY, SERVER, SHARING, TABLE, House
from tests.recovery.releases import CACHES, NEW, OLD

# Methods that only read: polling visits them hundreds of times in the same state.
READING = (
    "look",
    "list",
    "probe",
    "count",
    "counters",
    "rollout",
    "marks",
    "environment",
    "get",
    "connections",
    "has",
    "revision",
    "size",
    "trouble",
)


def method_of(point: str) -> str:
    """Return the port's method that a point is before or after."""
    return point.partition(".")[2].partition(":")[0]


@dataclasses.dataclass(frozen=True)
class Scenario:
    """What happens before the faults, and the request they meet."""

    name: str
    open: Callable[..., Rollout]
    outcome: str
    table: Environment = TABLE


def _deploy(house: House) -> Rollout:
    return house.open_deploy("v1.1.0")


def _bad(house: House) -> Rollout:
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("503", of="v1.2.0", path="/ready")
    return house.open_deploy("v1.2.0")


def _late(house: House) -> Rollout:
    """A release that fails its suite only through the router: it was cut over and comes back."""
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))
    return house.open_deploy("v1.3.0")


def _rollback(house: House) -> Rollout:
    house.deploy("v1.1.0")
    return house.open_rollback()


def _first(house: House) -> Rollout:
    return house.open_deploy("v1.0.0")


def _migrate(house: House) -> Rollout:
    house.migrations(_to_new)
    return house.open_deploy("v2.0.0")


def _migrate_badly(house: House) -> Rollout:
    """A migration that goes well on a copy, and fails half-way on the database itself."""
    seen: list[str] = []

    def fail_on_the_second(data: Data) -> int:
        seen.append("run")
        data.rows.clear()
        return 0 if len(seen) == 1 else 1

    house.migrations(fail_on_the_second)
    return house.open_deploy("v2.1.0")


def _alone(house: House) -> Rollout:
    return house.open_deploy("v1.1.0", ALONE)


def _alone_late(house: House) -> Rollout:
    assert isinstance(house.world.checks, MemoryChecks)
    house.world.checks.fail("500", name="status", path="/status", of=house.world.router.url(KEY))
    return house.open_deploy("v1.3.0", ALONE)


def _canary(house: House) -> Rollout:
    return house.open_deploy("v1.1.0", SHARING)


def _canary_exceeds(house: House) -> Rollout:
    """A release whose second share fails for visitors, while what served before answers them well."""
    opened = house.open_deploy("v1.2.0", SHARING)
    router = house.world.router

    def counting(_environment: str, generation: str) -> Counters:
        routes = router.current(KEY)
        fails = routes is not None and routes.canary is not None and routes.canary.share == 0.5
        seen[generation] = seen.get(generation, 0) + 40
        failed[generation] = failed.get(generation, 0) + (20 if fails and generation == f"r{opened.id}" else 0)
        return Counters(requests=seen[generation], errors=failed[generation])

    seen: dict[str, int] = {}
    failed: dict[str, int] = {}
    router.counting = counting  # type: ignore[attr-defined]
    return opened


def _server_first(house: House) -> Rollout:
    """The first deploy that has a database with a server."""
    house.served_migrations(served_to(OLD))
    return house.open_deploy("v7.0.0")


def _server(house: House) -> Rollout:
    """A migration of a database that has a server, after one that made it."""
    house.served_migrations(served_to(OLD))
    assert house.deploy("v7.0.0").outcome == "succeeded"
    house.served_migrations(served_to(NEW))
    return house.open_deploy("v7.1.0")


def _server_badly(house: House) -> Rollout:
    """The same, with a migration that fails."""
    house.served_migrations(served_to(OLD))
    assert house.deploy("v7.0.0").outcome == "succeeded"
    house.served_migrations(lambda _served: 1)
    return house.open_deploy("v7.1.0")


def _backed(house: House) -> Rollout:
    """A service that somebody else made is replaced by its next version."""
    assert house.deploy("v8.0.0").outcome == "succeeded"
    return house.open_deploy("v8.1.0")


def _backed_badly(house: House) -> Rollout:
    """The same, with a next version that never passes its check."""

    def ping(run: Run) -> RunResult:
        well = run.spec.image == CACHES["v8.0.0"]
        # A check that takes its time, so that few of them fill the time there is.
        house.world.clock.advance(0.0 if well else 10.0)  # type: ignore[attr-defined]
        return RunResult(exit_status=0 if well else 1, output="", outputs="", seconds=10.0)

    house.world.runtime.script_run("ping", ping)  # type: ignore[attr-defined]
    return _backed(house)


def served_to(revision: tuple[str, ...]) -> Callable[[Served], int]:
    def migrate(served: Served) -> int:
        served.revision = revision
        return 0

    return migrate


def _to_new(data: Data) -> int:
    data.revision = NEW
    return 0


SCENARIOS = {
    "deploy": Scenario("deploy", _deploy, "succeeded"),
    "bad": Scenario("bad", _bad, "unwound"),
    "late": Scenario("late", _late, "rolled_back"),
    "rollback": Scenario("rollback", _rollback, "succeeded"),
    "first": Scenario("first", _first, "succeeded"),
    "migrate": Scenario("migrate", _migrate, "succeeded"),
    "migrate-badly": Scenario("migrate-badly", _migrate_badly, "unwound"),
    "alone": Scenario("alone", _alone, "succeeded", ALONE),
    "alone-late": Scenario("alone-late", _alone_late, "rolled_back", ALONE),
    "canary": Scenario("canary", _canary, "succeeded", SHARING),
    "canary-exceeds": Scenario("canary-exceeds", _canary_exceeds, "rolled_back", SHARING),
    "server-first": Scenario("server-first", _server_first, "succeeded"),
    "server": Scenario("server", _server, "succeeded"),
    "server-badly": Scenario("server-badly", _server_badly, "unwound"),
    "backed": Scenario("backed", _backed, "succeeded"),
    "backed-badly": Scenario("backed-badly", _backed_badly, "unwound"),
}


def build(scenario: str) -> House:
    house = House.build()
    if scenario != "first":
        assert house.deploy("v1.0.0", SCENARIOS[scenario].table).outcome == "succeeded"
        databases = house.world.databases
        databases.contents[databases.provided["shop", "stage", "main"]] = Data(rows=["first"], revision=OLD)  # type: ignore[attr-defined]
        house.acknowledged.append("first")
        house.begin_run()
    return house


def assert_server(house: House, rollout: Rollout) -> None:
    """What answered once runs on and is noted; its database is old or new; a dump is of before its migration."""
    kept = house.record.backing.get("main")
    if kept is None:
        # Its next rollout makes its files elsewhere, and must not find it running on others.
        assert SERVER not in house.world.runtime.running or rollout.outcome == "stuck"  # type: ignore[attr-defined]
        return
    assert kept.name in house.world.runtime.running  # type: ignore[attr-defined]
    assert house.world.runtime.spec_of(kept.name) == kept  # type: ignore[attr-defined]
    assert house.served.handed_over
    # The first one may have been turned back before its migration.
    assert house.served.revision in ((OLD, NEW) if rollout.plan.release != "v7.0.0" else ((), OLD))
    if rollout.outcome == "succeeded" and rollout.plan.release in ("v7.0.0", "v7.1.0") and rollout.kind == "deploy":
        assert house.served.revision == (OLD if rollout.plan.release == "v7.0.0" else NEW)
    if house.served.revision == NEW and house.dumped:
        assert house.dumped[-1] == OLD


def assert_backed(house: House, rollout: Rollout) -> None:
    """The environment's own backing service is the one that what serves was tested with, and it alone runs."""
    if rollout.plan.release != "v8.1.0":
        return
    kept = house.record.backing["cache"]
    assert kept.image == CACHES["v8.1.0" if rollout.outcome == "succeeded" else "v8.0.0"]
    assert kept.name in house.world.runtime.running  # type: ignore[attr-defined]
    assert house.world.runtime.spec_of(CACHE) == kept  # type: ignore[attr-defined]


def assert_uncut(house: House, rollout: Rollout) -> None:
    """A run that was in flight goes on, nobody having asked it to end, and the bill knows how long it overlapped.

    Unless it went down with the machine.
    """
    run = house.in_flight
    if run is None:
        return
    ended = house.world.runtime.begun[run.name].ended  # type: ignore[attr-defined]
    assert ended is None or ended.lost
    found = house.world.journal.run(run.id)
    assert found is not None
    assert (found.ending, found.stop, found.overdue) == (None, "", False)
    signed = [one for one in house.world.signer.signed if (one.gate, one.rollout) == ("rollout", rollout.id)]  # type: ignore[attr-defined]
    if rollout.outcome == "succeeded" and signed:
        (entry,) = signed[-1].facts["jobs"]
        assert (entry["run"], entry["ended"]) == (run.id, "goes on")
        assert entry["overlap_seconds"] > 0


def assert_data(house: House, rollout: Rollout) -> None:
    """Every acknowledged write is there, the revision is old or new, nobody stands still, no hold is left open."""
    assert_server(house, rollout)
    if house.data is None:
        return
    assert not house.world.runtime.frozen  # type: ignore[attr-defined]
    assert house.world.runtime.unsettled(KEY) == ()
    assert house.data.rows == house.acknowledged
    assert house.data.revision in (OLD, NEW)
    if rollout.outcome == "succeeded" and rollout.plan.release.startswith("v2."):
        assert house.data.revision == NEW
    copies = [url for url in house.world.databases.contents if "~" in url]  # type: ignore[attr-defined]
    assert copies == [] or rollout.outcome == "stuck"


def assert_sound(house: House, rollout: Rollout) -> None:
    """Old or new, never neither; nothing left running that nobody knows; no lock left."""
    record = house.record
    assert_data(house, rollout)
    assert_uncut(house, rollout)
    assert_backed(house, rollout)
    assert house.unserved == []
    assert house.crowded == []
    assert house.world.journal.unfinished() == []
    serving = record.serving
    if rollout.outcome == "succeeded":
        assert serving is not None
        assert serving.release.digest == rollout.plan.digest
    routes = house.world.router.current(KEY)
    assert routes is None or routes.canary is None
    if serving is not None:
        assert house.world.router.ask(KEY) in {spec.name for spec in serving.web}
        assert {spec.name for spec in serving.instances} <= set(house.world.runtime.running)
    else:
        assert house.world.router.ask(KEY) is None
    workers = [name for name in house.world.runtime.running if "-worker-" in name]
    assert workers == ([spec.name for spec in serving.workers] if serving is not None else [])
