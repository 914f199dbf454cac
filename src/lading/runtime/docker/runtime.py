"""Instances as containers, one network an environment, nothing published: the router reaches them by their address."""

import platform
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from lading.docker import SOCKET, Engine, EngineRefused
from lading.model.environment import InstanceSpec, InstanceState
from lading.model.release import Platform, Release
from lading.model.secret import Secret
from lading.ports.runtime import Ended, Held, HeldResult, Room, Run, RunResult, Written
from lading.ports.runtime.refusals import start_failed
from lading.runtime.docker import launch, names, states
from lading.runtime.docker.begun import BegunRuns
from lading.runtime.docker.confinement import Confinement
from lading.runtime.docker.containers import Containers, explained
from lading.runtime.docker.held import ContainerRunner
from lading.runtime.docker.images import Images
from lading.runtime.docker.names import INSTANCE, RUN, Names
from lading.runtime.docker.networks import POOL, Networks
from lading.runtime.docker.places import Places
from lading.runtime.docker.runs import Runs
from lading.runtime.docker.stacks import DockerStacks
from lading.runtime.docker.users import Identities
from lading.runtime.process import logs, sockets
from lading.runtime.process.holds import Holds
from lading.runtime.process.users import Users

LOG_LIMIT = 8 << 20  # bytes kept of what containers of one name wrote that are gone
FORGOTTEN_LOGS = 64 << 20  # bytes of logs kept of instances that were removed, all together


class DockerRuntime:
    """Runs images as containers that outlive the agent and, with live-restore, their engine.

    ``root`` holds what the engine does not: the agent's own names, logs of what is gone, addresses. ``data_dir`` gives
    the persistent directory of an environment (project, name), ``layer_dir`` that of a laid-out layer, ``open_blob`` a
    blob of the store, ``users`` the file of the environments' numbers, ``pool`` the range that environments get their
    subnets from. Nothing asks the engine before the first image comes.
    """

    def __init__(
        self,
        root: Path,
        *,
        data_dir: Callable[[str, str], Path],
        layer_dir: Callable[[str], Path],
        open_blob: Callable[[str], BinaryIO],
        users: Path,
        engine: Engine | None = None,
        pool: str = POOL,
        processes: Path | None = None,
        guard: Sequence[str] = (),
    ) -> None:
        self._root = root
        self._engine = engine or Engine(SOCKET)
        self._names = Names(root)
        self._egress = Confinement(self._engine, self._names, root / "egress", pool)
        self._instances = Containers(self._engine, self._names, INSTANCE, root / "logs", self._egress.gone)
        run_containers = Containers(self._engine, self._names, RUN, root / "run-logs", self._egress.gone)
        self._containers = {INSTANCE: self._instances, RUN: run_containers}
        self._networks = Networks(self._engine, self._names, root / "addresses", pool)
        self._images = Images(self._engine, self._names, root / "images", open_blob)
        self._identities = Identities(self._engine, Users(users))
        self._places = Places(data_dir, layer_dir)
        self._runs = Runs(run_containers, self._begin_run, root / "outputs")
        self._begun = BegunRuns(run_containers, self._begin_run, root / "begun")
        runner = ContainerRunner(self._make_held, self._runs)
        self._holds = Holds(root / "holds", processes or root / "processes", guard, runner)
        self._starting = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}

    @property
    def name(self) -> str:
        """``docker``."""
        return "docker"

    @property
    def isolation(self) -> str:
        """``container``: programs see their own files, processes and network."""
        return "container"

    def isolation_of(self, kind: str) -> str:  # noqa: ARG002
        """Return ``container``."""
        return self.isolation

    def require(self, kind: str) -> None:  # noqa: ARG002
        """Raise ``no-engine`` when no engine answers."""
        self._engine.get("/info")

    def require_egress(self) -> None:
        """Raise ``egress`` when no rules for containers can be set here."""
        self._egress.require()

    def denied(self, marker: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last attempts that were refused in an environment."""
        return self._egress.refused(marker, lines)

    def platform(self) -> Platform:
        """Return this host's; an image brings its own C library and Python."""
        return Platform(system=platform.system().lower(), machine=platform.machine(), python=platform.python_version())

    def room(self, release: Release) -> Room | None:
        """Return the room that the engine's disk has for the layers it lacks."""
        return self._images.room(release)

    def prepare(self, release: Release) -> None:
        """Load what the engine lacks of a release's images."""
        self._names.agent  # noqa: B018 - from now on the engine is asked
        self._images.prepare(release)

    def prune(self, keep: Collection[str]) -> int:
        """Remove this agent's images that ``keep`` does not name and nothing uses; return bytes freed."""
        return self._images.prune(keep) if self._names.in_use else 0

    def start(self, spec: InstanceSpec, secrets: Mapping[str, Secret]) -> InstanceState:
        """Start the instance, or return it as it runs; an exited one is made anew, on its address.

        One whose network was removed is put into the new one where it can be, and lives on.
        """
        with self._lock(spec.name), explained(spec, secrets):
            found = self._instances.inspect(spec.name)
            if found is not None and states.is_cut_off(found):
                found = self._joined(spec, found)
            if found is None or not states.is_running(found):
                self._start(spec, secrets, found)
                found = self._instances.inspect(spec.name)
            if found is None:
                raise start_failed(spec, "its container was removed while it started")
            return states.state(found)

    def _joined(self, spec: InstanceSpec, found: dict[str, Any]) -> dict[str, Any] | None:
        """Put an instance that lost its network into the new one, or end it, so that it is made anew."""
        # What is confined must not run a moment without its rules.
        if spec.egress is not None or not self._rejoin(spec, found):
            self._instances.kill(spec.name)
        return self._instances.inspect(spec.name)

    def _rejoin(self, spec: InstanceSpec, found: dict[str, Any]) -> bool:
        place = launch.endpoint(spec, states.label(found, names.ADDRESS))
        try:
            with self._starting:
                network = self._networks.provide(spec.project, spec.environment)
                self._networks.join(network, str(found["Id"]), place)
        except EngineRefused:  # it is another subnet, or somebody else has the address
            return False
        return True

    def _start(self, spec: InstanceSpec, secrets: Mapping[str, Secret], before: dict[str, Any] | None) -> None:
        attempt, previous, ended = 1, "", ""
        if before is not None:
            attempt = int(states.label(before, names.ATTEMPT)) + (1 if states.was_started(before) else 0)
            previous, ended = states.label(before, names.ADDRESS), states.ended(before)
        self._make(INSTANCE, spec.name, spec, secrets, attempt=attempt, previous=previous, ended=ended)

    def _begin_run(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        self._make(RUN, run.name, run.spec, secrets, args=run.args)

    def _make_held(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        with explained(run.spec, secrets):
            self._make(RUN, run.name, run.spec, secrets, args=run.args, start=False)

    def _make(
        self,
        kind: str,
        name: str,
        spec: InstanceSpec,
        secrets: Mapping[str, Secret],
        *,
        attempt: int = 1,
        previous: str = "",
        ended: str = "",
        args: tuple[str, ...] = (),
        start: bool = True,
    ) -> None:
        """Make a container and start it; one that does not come to run is not left behind."""
        containers = self._containers[kind]
        self._names.agent  # noqa: B018 - from now on the engine is asked
        image = self._images.inspect(spec)
        user = self._identities.user(spec, image)
        outputs = self._places.outputs(spec, name) if kind == RUN else None
        mounts = self._places.mounts(spec, outputs)
        self._places.make(spec, mounts)
        labels = self._labels(kind, name, spec, user, attempt, str(outputs or ""))
        # One at a time: an address is chosen and recorded, and no network removed, by one start alone.
        with self._starting:
            if spec.egress is not None:
                spec = msgspec.structs.replace(spec, peers=self._egress.peers(spec))
            containers.remove(name)
            network = self._networks.provide(spec.project, spec.environment)
            # A run gets its address from the engine, unless rules have to stand for it before it starts.
            chosen = kind == INSTANCE or spec.egress is not None
            address = self._networks.choose(network, previous, self._addresses()) if chosen else ""
            making = launch.Making(
                kind=kind,
                name=name,
                spec=spec,
                image=image,
                reference=self._images.reference(spec),
                network=network,
                mounts=mounts,
                user=user,
                group=self._identities.group(spec),
                labels={**labels, names.ADDRESS: address, names.ENDED: ended},
                address=address,
                args=args,
                outputs=outputs is not None,
            )
            containers.create(name, launch.request(making, secrets))
        try:
            owner = self._identities.owner(user, image, self._names.container(kind, name))
            self._places.share(spec, making.mounts, owner, making.group if making.group is not None else owner)
            self._egress.hold(making)
            if start:
                containers.start(name)
        except BaseException:
            containers.remove(name)
            raise

    def _addresses(self) -> set[str]:
        listed = self._engine.get("/containers/json", all=True, filters=self._names.filters())
        return {entry["Labels"].get(names.ADDRESS, "") for entry in listed}

    def _labels(
        self, kind: str, name: str, spec: InstanceSpec, user: str, attempt: int, outputs: str
    ) -> dict[str, str]:
        return {
            names.AGENT: self._names.agent,
            names.KIND: kind,
            names.NAME: name,
            names.ENVIRONMENT: f"{spec.project}/{spec.environment}",
            names.ATTEMPT: str(attempt),
            names.PORT: str(spec.port or ""),
            names.LIMITS: launch.in_words(spec, user),
            names.OUTPUTS: outputs,
        }

    def look(self, name: str) -> InstanceState | None:
        """Return the instance as it is now."""
        found = self._find(name)
        return states.state(found) if found is not None else None

    def _find(self, name: str) -> dict[str, Any] | None:
        return self._instances.inspect(name) if self._names.in_use else None

    def list(self) -> Sequence[InstanceState]:
        """Return every instance by name."""
        if not self._names.in_use:
            return ()
        return tuple(sorted((states.state(found) for found in self._instances.all()), key=lambda state: state.name))

    def stop(self, name: str, *, grace: float) -> None:
        """Ask the program to end by its stop signal, wait, then kill what is left in the container."""
        with self._lock(name):
            if self._names.in_use:
                self._instances.stop(name, grace)

    def remove(self, name: str) -> None:
        """Kill what runs and forget the instance; the environment's network goes with its last one."""
        with self._lock(name):
            found = self._find(name)
            if found is None:
                return
            self._instances.remove(name)
            marker = states.label(found, names.ENVIRONMENT)
            filters = {"label": [*self._names.filters()["label"], f"{names.ENVIRONMENT}={marker}"]}
            with self._starting:
                if not self._engine.get("/containers/json", all=True, filters=filters):
                    self._networks.drop(*marker.split("/"))

    def connections(self, name: str) -> int:
        """Return how many established connections end at the instance's port, as its own network sees them."""
        found = self._find(name)
        if found is None or not states.is_running(found) or not states.label(found, names.PORT):
            return 0
        tables = tuple(Path(f"/proc/{found['State']['Pid']}/net/{table}") for table in ("tcp", "tcp6"))
        return sockets.established(int(states.label(found, names.PORT)), tables)

    def logs(self, name: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last lines written under a name. They are as written: mask secrets before showing them."""
        return self._instances.last_lines(name, lines) if self._names.in_use else ()

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run a command in a container of its own; one of that name that still goes on is joined."""
        return self._runs.run(run, secrets)

    def begin_run(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Start a command in a container of its own that goes on by itself, once."""
        self._begun.begin(run, secrets)

    def run_end(self, run: Run, *, wait: float) -> Ended | None:
        """Wait for a begun run and return how it ended, None while it goes on."""
        return self._begun.end(run, wait)

    def stop_run(self, run: Run, *, grace: float) -> None:
        """Ask a begun run to end, wait, then kill it."""
        self._begun.stop(run, grace)

    def run_output(self, run: Run, cursor: str = "") -> Written:
        """Return lines that a begun run wrote after a cursor."""
        return self._begun.output(run, cursor)

    def drop_run(self, run: Run) -> None:
        """Forget a begun run with its files."""
        self._begun.drop(run)

    def run_held(self, held: Held, secrets: Mapping[str, Secret]) -> HeldResult:
        """Run while everything else of the environment is paused or stopped; a guard of its own carries it."""
        return self._holds.run(held, secrets)

    def unsettled(self, marker: str) -> Sequence[str]:
        """Return the names of an environment's holds that have not come to their end."""
        return self._holds.unsettled(marker)

    def settle(self, name: str) -> HeldResult | None:
        """Bring a hold whose guard died to its end; None while its guard is at work."""
        return self._holds.settle(name)

    # beyond the port

    @property
    def in_use(self) -> bool:
        """Whether an image ever came."""
        return self._names.in_use

    def maintain(self) -> None:
        """Cut the logs of what is gone, drop the oldest, keep who is confined so; to be called now and then."""
        self._egress.maintain()
        self._holds.prune()
        kept = sorted(self._root.glob("*logs/*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for log in kept:
            logs.trim(log, LOG_LIMIT)
            total += log.stat().st_blocks * 512
            if total > FORGOTTEN_LOGS:
                log.unlink()

    def stacks(self, root: Path, users: Path) -> DockerStacks:
        """Return the stacks of the same agent, in the same networks; ``root`` keeps the files that come with them."""
        return DockerStacks(root, self._engine, self._names, self._networks, users)

    def rest(self) -> None:
        """End what is there for running containers only; to be called when none is to run any more."""
        self._egress.rest()

    def _lock(self, name: str) -> threading.RLock:
        return self._locks.setdefault(name, threading.RLock())
