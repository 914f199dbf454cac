"""The composition root: picks the adapters of this host and puts the agent together from them."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lading import __version__
from lading.agent.answers import About
from lading.agent.backing import Backing
from lading.agent.bills import Bills
from lading.agent.bringing import Bringing
from lading.agent.changes import Changes
from lading.agent.doctoring import Clinic
from lading.agent.down import Downs
from lading.agent.engine_seen import engine_seen
from lading.agent.gatekeeper import Gatekeeper
from lading.agent.home import Home
from lading.agent.jobs import Jobs
from lading.agent.keys import CurrentSigner, Keys
from lading.agent.logs import InstanceLogs
from lading.agent.maintenance import Maintenances
from lading.agent.outputs import Outputs
from lading.agent.policies import Policies
from lading.agent.registries import Registries
from lading.agent.releases import Builder, ReleaseShelf
from lading.agent.results import Results
from lading.agent.rollouts import Rollouts
from lading.agent.runtimes import Runtimes
from lading.agent.scheduler import Scheduler
from lading.agent.secret_values import SecretValues
from lading.agent.service import AgentService
from lading.agent.settings import Settings, read_settings
from lading.agent.stacks import SideStacks
from lading.agent.status import Status
from lading.agent.supervisor import Supervisor
from lading.agent.upkeep import JournalUpkeep
from lading.bill.keys import KeyRing
from lading.build.bundle import build_release
from lading.build.report import Report
from lading.build.store import OciStore
from lading.checks.http import HttpChecks
from lading.checks.prober import HttpProber
from lading.data.postgres import PostgresServers
from lading.data.sqlite import SqliteDatabases
from lading.docker import Engine
from lading.engine.context import Locks
from lading.engine.faults import Faults, guard
from lading.engine.world import World
from lading.journal.sqlite import SqliteJournal
from lading.model.interface import API_VERSION
from lading.model.manifest import Manifest
from lading.model.paths import STATIC_READY
from lading.model.release import Release
from lading.model.secret import Secret
from lading.objects.s3 import S3Objects
from lading.ports.clock.system import SystemClock
from lading.router.settings import RouterSettings
from lading.router.traefik import TraefikRouter
from lading.runtime.docker import DockerRuntime
from lading.runtime.process.runtime import ProcessRuntime
from lading.secrets.age_file import AgeSecrets
from lading.secrets.sources import HostSources

# Recovery tests set faults for the agent they start; without the variable no guard is in the way.
FAULTS = "LADING_FAULTS"
FAULTS_TRACE = "LADING_FAULTS_TRACE"

HALTED = "lading agent stop --everything"  # who asked runs to end

# Seconds for which stopping everything waits for databases that are being migrated.
HOLDS_END = 30.0


@dataclasses.dataclass(frozen=True)
class Composition:
    """A whole agent: what the interface works with, and what lives beside it; ``group`` may open its socket."""

    service: AgentService
    world: World
    rollouts: Rollouts
    jobs: Jobs
    outputs: Outputs
    scheduler: Scheduler
    supervisor: Supervisor
    secrets: AgeSecrets
    group: str


def compose(place: Home, environ: Mapping[str, str] = os.environ) -> Composition:
    """Put the agent of a home together."""
    home = place.root
    settings = read_settings(home)
    name = place.name(settings.name)
    clock = SystemClock()
    journal = SqliteJournal(home / "journal.db")
    store = OciStore(home / "store")
    secrets = AgeSecrets(home / "secrets")
    ring = KeyRing(home / "keys", name)
    engine = Engine(settings.docker.socket)
    processes, containers = _processes(home, settings, store), _containers(home, settings, store, engine)
    runtime = Runtimes(processes, containers)
    router = TraefikRouter(home / "router", settings=_router_settings(settings))
    world = World(
        runtime=runtime,
        router=router,
        checks=HttpChecks(known=lambda: secrets.all_values().values()),
        prober=HttpProber(),
        databases=SqliteDatabases(home / "environments"),
        servers=PostgresServers(home / "environments"),
        store=store,
        secrets=secrets,
        journal=journal,
        signer=CurrentSigner(ring),
        objects=S3Objects(),
        clock=clock,
    )
    if environ.get(FAULTS):
        world = guard(world, Faults.from_environment(environ[FAULTS], environ.get(FAULTS_TRACE, "")))
    keys = Keys(journal, ring, clock)
    changes, locks = Changes(), Locks()
    sources = HostSources(settings.secrets, environ, lambda: secrets.all_values().values())
    rollouts = Rollouts(world, Gatekeeper(world, lambda: (keys.own(), *keys.own_earlier())), changes, locks, sources)
    jobs = Jobs(world, locks, secrets.all_values)
    outputs = Outputs(world)
    scheduler = Scheduler(world, jobs)
    upkeep = JournalUpkeep(journal, home / "journal.copy.db", clock)
    chores = (processes.maintain, containers.maintain, rollouts.recover, jobs.recover, outputs.recover, upkeep)
    supervisor = Supervisor(world, locks, rollouts.admission, chores=chores, at_home=place.leave_if_gone)
    started = time.time()

    def about() -> About:
        return About(
            name=name,
            version=__version__,
            api=API_VERSION,
            pid=os.getpid(),
            started=started,
            home=str(home),
            fingerprint=keys.own().fingerprint,
            runtime=runtime.name,
            isolation=runtime.isolation,
        )

    status = Status(journal, runtime, router, clock, rollouts.waits, router.certificates)
    clinic = Clinic(
        home=home,
        journal=journal,
        runtime=runtime,
        secrets=secrets,
        status=status,
        clock=clock,
        strays=processes.strays,
        trouble=router.trouble,
        missing=router.missing,
        objects=world.objects,
        certificates=router.certificates,
        engine=lambda: engine_seen(engine, needed=containers.in_use),
    )
    releases = ReleaseShelf(journal, store, _builder(home, store, secrets, engine))
    service = AgentService(
        about=about,
        rollouts=rollouts,
        changes=changes,
        journal=journal,
        store=store,
        releases=releases,
        registries=Registries(store),
        bills=Bills(journal, world.signer, keys, clock),
        keys=keys,
        policies=Policies(journal, clock),
        secrets=SecretValues(journal, secrets, clock),
        stacks=SideStacks(
            containers.stacks(home / "stacks", home / "process" / "users.json"), journal, secrets, sources, clock
        ),
        status=status,
        maintenances=Maintenances(world, locks),
        downs=Downs(world, rollouts.admission, locks, lambda project, name: _data(home, project, name), jobs.end_all),
        backing=Backing(world, lambda project, name: _data(home, project, name), place.spool),
        bringing=Bringing(world, rollouts, releases),
        logs=InstanceLogs(journal, runtime, secrets),
        jobs=jobs,
        outputs=outputs,
        results=Results(journal, clock),
        spool=place.spool,
        halt=lambda: _halt(world, router, supervisor, rollouts, jobs, scheduler, containers.rest),
        doctor=clinic.findings,
    )
    return Composition(service, world, rollouts, jobs, outputs, scheduler, supervisor, secrets, settings.group)


def _halt(
    world: World,
    router: TraefikRouter,
    supervisor: Supervisor,
    rollouts: Rollouts,
    jobs: Jobs,
    scheduler: Scheduler,
    rest: Callable[[], None],
) -> int:
    """Stop everything that is served, the router last; the journal still says what should serve.

    ``rest`` ends what is there for running containers only.
    """
    # Else the supervisor would start again what is stopped here, and a rollout what it needs.
    supervisor.stop()
    scheduler.stop()
    rollouts.stop()
    jobs.end_all(None, HALTED)
    jobs.stop()
    _await_holds(world)
    grace: dict[str, float] = {}
    for record in world.journal.environments():
        units = [unit for unit in (record.serving, record.standby) if unit is not None]
        specs = (*(spec for unit in units for spec in unit.instances), *record.backing.values())
        grace |= {spec.name: spec.grace for spec in specs}
    running = [state.name for state in world.runtime.list() if state.running]
    with ThreadPoolExecutor(max_workers=8) as stopping:
        for name in running:
            stopping.submit(world.runtime.stop, name, grace=grace.get(name, 10.0))
    rest()
    router.stop()
    return len(running)


def _await_holds(world: World) -> None:
    """Let migrations come to their end, which is within their limit: what stands still cannot be stopped in order."""
    deadline = world.clock.monotonic() + HOLDS_END
    keys = [record.key for record in world.journal.environments()]
    while any(world.runtime.settle(name) is None for key in keys for name in world.runtime.unsettled(key)):
        if world.clock.monotonic() >= deadline:
            return
        world.clock.wait(0.1, lambda: False)


def _processes(home: Path, settings: Settings, store: OciStore) -> ProcessRuntime:
    table = settings.process
    return ProcessRuntime(
        home / "process",
        layer_dir=lambda diff_id: store.layers / diff_id.removeprefix("sha256:"),
        data_dir=lambda project, environment: _data(home, project, environment),
        ports=range(table.ports_from, table.ports_from + table.ports),
        users=table.users,
        guard=_guard(home, settings),
        # Isolated: nothing that the release or its environment holds may be loaded by it.
        static=(sys.executable, "-IuB", "-m", "lading.static", "--ready", STATIC_READY),
    )


def _data(home: Path, project: str, environment: str) -> Path:
    return home / "environments" / project / environment


def _containers(home: Path, settings: Settings, store: OciStore, engine: Engine) -> DockerRuntime:
    return DockerRuntime(
        home / "docker",
        data_dir=lambda project, environment: _data(home, project, environment),
        layer_dir=lambda diff_id: store.layers / diff_id.removeprefix("sha256:"),
        open_blob=store.open,
        users=home / "process" / "users.json",
        engine=engine,
        pool=settings.docker.subnets,
        processes=home / "process",
        guard=_guard(home, settings),
    )


def _guard(home: Path, settings: Settings) -> tuple[str, ...]:
    """Return the words that start a guard, which lets stand still whatever this host runs of an environment."""
    return (sys.executable, "-m", "lading.agent.guard", str(home / "docker"), settings.docker.socket)


def _router_settings(settings: Settings) -> RouterSettings:
    table = settings.router
    return RouterSettings(
        pool_first=table.ports_from,
        pool_size=table.ports,
        http_port=table.http_port,
        https_port=table.https_port,
        acme_server=table.acme_server,
        acme_ca=table.acme_ca,
        http_host=table.http_host,
    )


def _builder(home: Path, store: OciStore, secrets: AgeSecrets, engine: Engine) -> Builder:
    def build(source: Path, manifest: Manifest, version: str, commit: str, report: Report) -> Release:
        return build_release(
            source=source,
            manifest=manifest,
            version=version,
            commit=commit,
            created=time.time(),
            store=store,
            cache=_made(home / "build-cache"),
            secrets=tuple(secrets.all_values().values()),
            report=report,
            engine=engine,
            build_secret=lambda name: _local_secret(secrets, manifest.project.name, name),
        )

    return build


def _local_secret(secrets: AgeSecrets, project: str, name: str) -> Secret | None:
    """Return a secret that a build names: builds belong to no environment, so they get what ``local`` has."""
    environment = f"{project}/local"
    version = secrets.versions(environment).get(name)
    return secrets.get(environment, name, version) if version is not None else None


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
