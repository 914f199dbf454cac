"""A runtime without processes: a world of instances that tests can look into and disturb."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from lading.model.environment import InstanceSpec, InstanceState
from lading.model.errors import LadingError
from lading.model.release import Platform, Release
from lading.model.secret import Secret, redact
from lading.ports.clock import Clock
from lading.ports.database import Custody, Place
from lading.ports.runtime import Room, Run, RunResult
from lading.ports.runtime.memory_holds import MemoryHolds
from lading.ports.runtime.memory_runs import MemoryRuns

PLATFORM = Platform(system="linux", machine="x86_64", libc="glibc 2.36", python="3.11")


@dataclass
class _Instance:
    spec: InstanceSpec
    address: str
    host: str
    started: float
    secrets: Mapping[str, Secret]
    exit_status: int | None = None
    restarts: int = 0
    connections: int = 0
    pid: int = 0

    @property
    def running(self) -> bool:
        return self.exit_status is None

    def state(self) -> InstanceState:
        return InstanceState(
            name=self.spec.name,
            running=self.running,
            address=self.address,
            host=self.host,
            pid=self.pid if self.running else 0,
            started=self.started,
            exit_status=self.exit_status,
            restarts=self.restarts,
            limits="none",
        )


@dataclass
class Recorded:
    """What was asked of the world, in order: names of instances and runs. A start that found its instance running is
    no start.
    """

    starts: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


class MemoryRuntime(MemoryHolds, MemoryRuns):
    """Keep instances in memory; the object *is* the world, so it outlives whatever engine is thrown away.

    Addresses are unique and never given out twice, except to the same name when it is started again.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "memory",
        isolation: str = "none",
        custody_of: Callable[[Place], Custody] | None = None,
    ) -> None:
        lock = threading.RLock()
        MemoryRuns.__init__(self, clock, lock)
        MemoryHolds.__init__(self, lock, custody_of)
        self._name = name
        self._isolation = isolation
        self._instances: dict[str, _Instance] = {}
        self._logs: dict[str, list[str]] = {}
        self._given = 0
        self._exits_at_start: dict[str, int] = {}
        self._results: dict[str, RunResult | Callable[[Run], RunResult]] = {}
        self.recorded = Recorded()
        self.platform_value = PLATFORM
        self.prepared: set[str] = set()
        self.lacking: set[str] = set()
        self.narrow: Room | None = None
        self.refused: dict[str, list[str]] = {}

    # the port

    @property
    def name(self) -> str:
        """The name given at construction."""
        return self._name

    @property
    def isolation(self) -> str:
        """The isolation given at construction."""
        return self._isolation

    def isolation_of(self, kind: str) -> str:  # noqa: ARG002
        """Return the isolation given at construction, whatever the kind."""
        return self._isolation

    def require(self, kind: str) -> None:
        """Raise ``no-engine`` for the kinds that :attr:`lacking` holds."""
        if kind in self.lacking:
            raise LadingError("no-engine", happened=f"nothing here runs a {kind}", hint="apt-get install docker.io")

    def room(self, release: Release) -> Room | None:
        """Return ``narrow``, which tests may set, for what is not prepared yet."""
        return None if self.prepared.issuperset(one.digest for one in release.artifacts) else self.narrow

    def require_egress(self) -> None:
        """Raise ``egress`` while ``lacking`` holds ``egress``."""
        if "egress" in self.lacking:
            raise LadingError("egress", happened="nothing here restricts what is reached", hint="remove egress")

    def denied(self, marker: str, *, lines: int = 100) -> Sequence[str]:
        """Return what tests put into ``refused``."""
        return tuple(self.refused.get(marker, ())[-lines:])

    def prepare(self, release: Release) -> None:
        """Remember the release's artifacts as prepared."""
        with self._lock:
            self.prepared.update(artifact.digest for artifact in release.artifacts)

    def prune(self, keep: Collection[str]) -> int:
        """Forget what was prepared and is not kept; each counts as one byte."""
        with self._lock:
            gone = self.prepared.difference(keep)
            self.prepared.difference_update(gone)
            return len(gone)

    def platform(self) -> Platform:
        """Return ``platform_value``, which tests may replace."""
        return self.platform_value

    def start(self, spec: InstanceSpec, secrets: Mapping[str, Secret]) -> InstanceState:
        """Start the instance; one that exits at start is returned running and seen exited by the next look."""
        with self._lock:
            known = self._instances.get(spec.name)
            if known is not None and known.running:
                return known.state()
            instance = self._new(spec, secrets, known)
            self._instances[spec.name] = instance
            self.recorded.starts.append(spec.name)
            state = instance.state()
            status = self._exits_at_start.get(spec.version, self._exits_at_start.get(spec.digest))
            if status is not None:
                instance.exit_status = status
                self.write(spec.name, f"{spec.label} of {spec.version} exits at start with {status}")
            return state

    def _new(self, spec: InstanceSpec, secrets: Mapping[str, Secret], known: _Instance | None) -> _Instance:
        self._given += 1
        place = f"10.99.{self._given // 250}.{self._given % 250 + 1}"
        fresh = f"{place}:{spec.port}" if spec.port is not None else ""
        own = place if spec.kind == "image" else ""
        return _Instance(
            spec=spec,
            address=known.address if known is not None else fresh,
            host=known.host if known is not None else own,
            started=self._clock.now(),
            secrets=dict(secrets),
            restarts=known.restarts + 1 if known is not None else 0,
            pid=1000 + self._given,
        )

    def look(self, name: str) -> InstanceState | None:
        """Return the instance as it is now."""
        with self._lock:
            instance = self._instances.get(name)
            return instance.state() if instance is not None else None

    def list(self) -> Sequence[InstanceState]:
        """Return every instance by name."""
        with self._lock:
            return tuple(self._instances[name].state() for name in sorted(self._instances))

    def stop(self, name: str, *, grace: float) -> None:
        """Stop the instance at once; every instance here obeys its stop signal, without grace it is killed."""
        with self._lock:
            instance = self._instances.get(name)
            if instance is None or not instance.running:
                return
            self.recorded.stops.append(name)
            instance.exit_status = -15 if grace > 0 else -9
            instance.connections = 0

    def remove(self, name: str) -> None:
        """Stop and forget the instance; its log stays."""
        with self._lock:
            if name not in self._instances:
                return
            self.stop(name, grace=0.0)
            del self._instances[name]
            self.recorded.removals.append(name)

    def connections(self, name: str) -> int:
        """Return what :meth:`set_connections` said, 0 once the instance is gone."""
        with self._lock:
            instance = self._instances.get(name)
            return instance.connections if instance is not None and instance.running else 0

    def logs(self, name: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last lines that :meth:`write` left."""
        with self._lock:
            return tuple(self._logs.get(name, [])[-lines:]) if lines > 0 else ()

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Return the result scripted for the run's name or command, else success without output."""
        with self._lock:
            self.recorded.runs.append(run.name)
            scripted = self._results.get(run.name, self._results.get(run.spec.command or ""))
        if scripted is None:
            return RunResult(exit_status=0, output="", outputs=f"/memory/outputs/{run.name}", seconds=0.0)
        result = scripted(run) if callable(scripted) else scripted
        return msgspec.structs.replace(result, output=redact(result.output, secrets.values()))

    def begin_run(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Begin a run; it goes on until :meth:`end`, unless a result is scripted for its name or command."""
        if not self.begin(run, secrets):
            return
        with self._lock:
            self.recorded.runs.append(run.name)
            scripted = self._results.get(run.name, self._results.get(run.spec.command or ""))
        if scripted is not None:
            result = scripted(run) if callable(scripted) else scripted
            if result.exit_status is not None:
                self.end(run.name, result.exit_status, result.output)

    def running_of(self, marker: str) -> set[str]:
        """Return the names of the instances of an environment that run."""
        return {
            name
            for name, instance in self._instances.items()
            if instance.running and f"{instance.spec.project}/{instance.spec.environment}" == marker
        }

    # what tests do to the world

    def exit_at_start(self, release: str, exit_status: int = 1) -> None:
        """Make every instance of a release (its version or digest) exit as soon as it is started."""
        self._exits_at_start[release] = exit_status

    def heal(self, release: str) -> None:
        """Undo :meth:`exit_at_start`: later starts stay up."""
        self._exits_at_start.pop(release, None)

    def crash(self, name: str, exit_status: int = -9) -> None:
        """Let a running instance exit by itself."""
        with self._lock:
            instance = self._instances[name]
            instance.exit_status = exit_status
            instance.connections = 0

    def reboot(self) -> None:
        """Let everything exit at once, as when the machine restarts; what is known of the instances stays."""
        with self._lock:
            for name in self.running:
                self.crash(name)
            self.lose()

    def set_connections(self, name: str, count: int) -> None:
        """Say how many connections to the instance are established from now on."""
        with self._lock:
            self._instances[name].connections = count

    def script_run(self, name_or_command: str, result: RunResult | Callable[[Run], RunResult]) -> None:
        """Give the result of a run by its name or its spec's command: a value, or a function of the run."""
        self._results[name_or_command] = result

    def write(self, name: str, line: str) -> None:
        """Append a line to an instance's log."""
        with self._lock:
            self._logs.setdefault(name, []).append(line)

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the instances that run now, sorted."""
        with self._lock:
            return tuple(name for name in sorted(self._instances) if self._instances[name].running)

    def spec_of(self, name: str) -> InstanceSpec:
        """Return the spec an instance was last started with; KeyError when unknown."""
        return self._instances[name].spec

    def secrets_of(self, name: str) -> Mapping[str, Secret]:
        """Return the secrets an instance was last started with; KeyError when unknown."""
        return self._instances[name].secrets

    def snapshot(self) -> Mapping[str, InstanceState]:
        """Return all instances by name, to compare the world before and after."""
        return {state.name: msgspec.structs.replace(state) for state in self.list()}
