"""A whole house in memory: ports, two releases, and a request that is asked at every moment of a rollout."""

import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec

from lading.engine.engine import Engine
from lading.engine.faults import Fault, Faults, Killed, guard, raise_killed
from lading.engine.jobs import asked
from lading.engine.patience import Parked
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, Observed, Pinned
from lading.model.environment_table import Environment, Strategy
from lading.model.jobs import JobRun
from lading.model.manifest import Database
from lading.model.release import Release
from lading.model.rollout import Rollout
from lading.model.secret import Secret
from lading.model.server import admin_of, password_name
from lading.planner.backing import DUMP
from lading.planner.plans import plan_release, plan_rollback
from lading.planner.units import configure
from lading.ports.checks.memory import MemoryChecks
from lading.ports.clock.memory import MemoryClock
from lading.ports.database.memory import Data, MemoryDatabases
from lading.ports.journal import Journal
from lading.ports.journal.memory import MemoryJournal
from lading.ports.objects.memory import MemoryObjects
from lading.ports.prober.memory import MemoryProber
from lading.ports.router.memory import MemoryRouter
from lading.ports.runtime import Run, RunResult
from lading.ports.runtime.memory import MemoryRuntime
from lading.ports.secrets.memory import MemorySecrets
from lading.ports.server.memory import MemoryServers, Served
from lading.ports.signer.memory import MemorySigner
from lading.ports.store.memory import MemoryStore
from tests.recovery.releases import PROJECT, SERVED, release_of

ENVIRONMENT = "stage"
KEY = f"{PROJECT}/{ENVIRONMENT}"
ALONE = Environment(strategy=Strategy(kind="recreate", watch=1.0))
SHARING = Environment(strategy=Strategy(kind="canary", canary=(0.25, 0.5), canary_for=1.0, watch=1.0))
TABLE = Environment(replicas={"web": 2}, strategy=Strategy(watch=1.0, keep_previous=60.0), env={"COLOUR": "blue"})
SERVER = f"{PROJECT}.{ENVIRONMENT}.main"
CACHE = f"{PROJECT}.{ENVIRONMENT}.cache"


@dataclasses.dataclass
class House:
    """A world, what was observed of it while it was worked in, and short words for what tests do."""

    world: World
    visits: Faults | None = None
    unserved: list[str] = dataclasses.field(default_factory=list)
    crowded: list[str] = dataclasses.field(default_factory=list)
    acknowledged: list[str] = dataclasses.field(default_factory=list)
    served_before: bool = False
    dumped: list[tuple[str, ...]] = dataclasses.field(default_factory=list)
    in_flight: JobRun | None = None

    @classmethod
    def build(cls, journal: Journal | None = None) -> "House":
        clock = MemoryClock()
        databases = MemoryDatabases()
        runtime = MemoryRuntime(clock, custody_of=databases.custody_of)
        world = World(
            runtime=runtime,
            router=MemoryRouter(),
            checks=MemoryChecks(whois=lambda address: _whois(runtime, address)),
            prober=MemoryProber(clock),
            databases=databases,
            servers=MemoryServers(),
            store=MemoryStore(),
            secrets=MemorySecrets({KEY: {"TOKEN": "canary-4711"}}),
            journal=journal or MemoryJournal(),
            signer=MemorySigner(name="host"),
            objects=MemoryObjects(),
            clock=clock,
        )
        house = cls(world)
        record = EnvironmentRecord(project=PROJECT, name=ENVIRONMENT, tier="stage", port=world.router.reserve_port(KEY))
        world.journal.save_environment(record)
        return house

    # what is there

    def release(self, version: str) -> Release:
        return release_of(self.world, version)

    @property
    def record(self) -> EnvironmentRecord:
        record = self.world.journal.environment(PROJECT, ENVIRONMENT)
        assert record is not None
        return record

    def observed(self, *, has_server: bool = False) -> Observed:
        running = frozenset(state.name for state in self.world.runtime.list() if state.running)
        if has_server:
            passwords = {"main": Secret("pass-4711"), admin_of("main"): Secret("admin-4711")}
            self.world.secrets.put(KEY, {password_name(name): value for name, value in passwords.items()})
            revisions = {"main": self.served.revision} if self.record.backing else {}
            return Observed(record=self.record, running=running, revisions=revisions, passwords={"main": 1})
        databases = self.world.databases
        url = databases.provide(PROJECT, ENVIRONMENT, "main", Database(engine="sqlite"))
        revisions = {"main": databases.revision(PROJECT, ENVIRONMENT, "main")}
        return Observed(record=self.record, running=running, databases={"main": url}, revisions=revisions)

    def unit(self, number: int) -> Pinned:
        rollout = self.world.journal.rollout(number)
        assert rollout is not None
        assert rollout.plan.unit is not None
        return rollout.plan.unit

    # what is done

    def open_deploy(self, version: str, table: Environment = TABLE) -> Rollout:
        release = self.release(version)
        observed = self.observed(has_server=version.startswith(SERVED))
        configuration = configure(ENVIRONMENT, table, self.world.secrets.versions(KEY), release.manifest)
        return self.world.journal.begin(
            project=PROJECT,
            environment=ENVIRONMENT,
            kind="deploy",
            requested_by="test",
            at=self.world.clock.now(),
            plan=lambda number: plan_release(number, "deploy", release, configuration, observed),
        )

    def open_rollback(self) -> Rollout:
        observed = self.observed()
        unit = self.unit(self.record.history[0])
        return self.world.journal.begin(
            project=PROJECT,
            environment=ENVIRONMENT,
            kind="rollback",
            requested_by="test",
            at=self.world.clock.now(),
            plan=lambda _number: plan_rollback(unit, observed),
        )

    def open_run(self, **more: Any) -> JobRun:
        """Open a run of a job of what serves."""
        serving = self.record.serving
        assert serving is not None
        more.setdefault("spec", msgspec.structs.replace(serving.workers[0], command="settle"))

        def make(number: int) -> JobRun:
            given: dict[str, Any] = {"timeout": 600.0, **more}
            return JobRun(
                id=number,
                project=PROJECT,
                environment=ENVIRONMENT,
                job="settle",
                release=serving.release.version,
                trigger="asked",
                requested_by="test",
                created=self.world.clock.now(),
                **given,
            )

        return self.world.journal.open_run(make)

    def begin_run(self) -> None:
        """Let a run of a job of what serves be in flight."""
        self.in_flight = self.open_run(began=self.world.clock.now())
        self.world.runtime.begin_run(asked(self.in_flight), {})

    def carry(self, rollout: Rollout) -> Rollout:
        return Engine(self.world).carry(rollout.id)

    def deploy(self, version: str, table: Environment = TABLE) -> Rollout:
        return self.carry(self.open_deploy(version, table))

    def with_faults(self, *faults: Fault) -> World:
        """Return the world with faults, asking at every point who would answer a request now."""
        self.served_before = self.record.serving is not None
        self.visits = _Watching(faults, self)
        return guard(self.world, self.visits)

    def carry_through(self, number: int, world: World, heal: Callable[[], None] = lambda: None) -> Rollout:
        """Carry a rollout as agents that die, or park, and come back would."""
        for _ in range(8):
            try:
                return Engine(world).carry(number)
            except Killed:
                continue
            except Parked:
                heal()
                world = self.world
        raise AssertionError("the rollout never ended")

    # the database

    @property
    def served(self) -> Served:
        """What the database's server has."""
        state = self.world.runtime.look(SERVER)
        host = state.address.partition(":")[0] if state is not None else ""
        name = password_name("main")
        password = self.world.secrets.get(KEY, name, self.world.secrets.versions(KEY)[name]).reveal()
        return self.world.servers.at(Secret(f"postgresql://shop:{password}@{host}:5432/shop"))  # type: ignore[attr-defined]

    def served_migrations(self, migrate: Callable[[Served], int]) -> None:
        """Say what the migration does to the server's database, and with which exit status it ends; dumps go well."""

        def run(_run: Run) -> RunResult:
            return RunResult(exit_status=migrate(self.served), output="ALTER TABLE", outputs="", seconds=0.5)

        def dump(run: Run) -> RunResult:
            outputs = f"/outputs/{run.name}"
            self.world.servers.left.add(outputs)  # type: ignore[attr-defined]
            self.dumped.append(self.served.revision)
            return RunResult(exit_status=0, output="", outputs=outputs, seconds=0.5)

        self.world.runtime.script_run("migrate", run)  # type: ignore[attr-defined]
        self.world.runtime.script_run(DUMP, dump)  # type: ignore[attr-defined]

    @property
    def data(self) -> Data | None:
        """What is in the database now."""
        databases = self.world.databases
        return databases.contents.get(databases.provided.get((PROJECT, ENVIRONMENT, "main"), ""))  # type: ignore[attr-defined]

    def migrations(self, migrate: Callable[[Data], int]) -> None:
        """Say what the migration does to a database, and with which exit status it ends."""
        databases = self.world.databases

        def run(run: Run) -> RunResult:
            url = run.spec.databases["DATABASE_URL"]
            status = migrate(databases.contents.setdefault(url, Data()))  # type: ignore[attr-defined]
            return RunResult(exit_status=status, output="ALTER TABLE", outputs="", seconds=0.5)

        self.world.runtime.script_run("migrate", run)  # type: ignore[attr-defined]

    def write(self) -> None:
        """Write a row as a program would that serves now, and note that it was acknowledged."""
        if self.data is not None and not self.world.runtime.frozen:  # type: ignore[attr-defined]
            row = f"row {len(self.acknowledged)}"
            self.data.rows.append(row)
            self.acknowledged.append(row)

    def assert_served(self, point: str) -> None:
        """Note the moment if a request would now find no running instance, nor wait for one."""
        routes = self.world.router.current(KEY)
        if routes is not None and routes.hold:
            return
        names = self.world.router.answerers(KEY)  # type: ignore[attr-defined]
        states = [self.world.runtime.look(name) for name in names]
        if not states or not all(state is not None and state.running for state in states):
            self.unserved.append(point)

    def assert_alone(self, point: str) -> None:
        """Note the moment if two releases run, where only one may."""
        serving = self.record.serving
        if serving is not None and serving.configuration.table.strategy.kind == "recreate":
            names = self.world.runtime.running  # type: ignore[attr-defined]
            if len({self.world.runtime.spec_of(name).rollout for name in names}) > 1:  # type: ignore[attr-defined]
                self.crowded.append(point)


class _Watching(Faults):
    def __init__(self, faults: tuple[Fault, ...], house: House) -> None:
        super().__init__(faults, kill=raise_killed)
        self._house = house

    def visit(self, point: str) -> None:
        if self._house.served_before:
            self._house.assert_served(point)
            self._house.assert_alone(point)
            self._house.write()
        super().visit(point)


def _whois(runtime: MemoryRuntime, address: str) -> tuple[str, ...]:
    for state in runtime.list():
        if state.address and address.endswith(state.address):
            spec = runtime.spec_of(state.name)
            return (state.name, spec.version, spec.label)
    return ()
