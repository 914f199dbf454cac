"""Instances as detached processes of this machine."""

import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from lading.model.environment import InstanceSpec, InstanceState
from lading.model.errors import LadingError
from lading.model.release import Platform, Release
from lading.model.secret import Secret
from lading.ports.runtime import Ended, Held, HeldResult, Run, RunResult, Written
from lading.runtime.process import ending, logs, sockets
from lading.runtime.process.begun import BegunRuns
from lading.runtime.process.holds import Holds, ProcessRunner
from lading.runtime.process.identity import open_handle
from lading.runtime.process.launcher import Attempt, Launcher, explained
from lading.runtime.process.ports import LOOPBACK, Ports
from lading.runtime.process.records import POLL, Record, Records, file_name
from lading.runtime.process.runs import Runs
from lading.runtime.process.spawn import reap
from lading.runtime.process.strays import stray_groups, stray_processes

PORTS = range(21_000, 29_000)  # below the ports the kernel gives to outgoing connections
LOG_LIMIT = 8 << 20  # bytes of log kept of one instance, at most, after each maintenance
FORGOTTEN_LOGS = 64 << 20  # bytes of logs kept of instances that were removed, all together
LOCKED = 10.0  # seconds to wait for another start of the same name to come to an end


class ProcessRuntime:
    """Runs bundles as detached processes that outlive the agent and are found again by number and start time.

    It serves built files as well, of bundles and of images: by ``static``, the words that start their server.

    ``root`` holds records and logs, ``layer_dir`` gives the directory a layer (by diff id) is laid out in, and
    ``data_dir`` the persistent directory of an environment (project, name): its home, temporary files, volumes and
    outputs. ``users``: see :class:`Launcher`. ``guard`` are the words that start the guard of a hold, a program that
    composes :class:`Hold` with the databases' custody. Nothing is started twice, whenever a starter is killed.
    """

    def __init__(
        self,
        root: Path,
        layer_dir: Callable[[str], Path],
        data_dir: Callable[[str, str], Path] | None = None,
        *,
        ports: range = PORTS,
        users: bool | None = None,
        guard: Sequence[str] = (),
        static: Sequence[str] = (),
        log_limit: int = LOG_LIMIT,
    ) -> None:
        root.mkdir(mode=0o711, parents=True, exist_ok=True)
        root = root.resolve()
        self._logs = root / "logs"
        self._logs.mkdir(mode=0o700, exist_ok=True)
        self._log_limit = log_limit
        self._records = Records(root / "instances")
        self._ports = Ports(ports, root / "last-port")
        self._environments = root / "environments"
        self._launcher = Launcher(root, layer_dir, data_dir or self._data_dir, as_user=users, static=static)
        runs = Records(root / "runs")
        self._runs = Runs(runs, self._launcher)
        self._begun = BegunRuns(runs, self._launcher)
        self._holds = Holds(root / "holds", root, guard, ProcessRunner(self._launcher, runs))
        self._starting = threading.Lock()  # a port is chosen and recorded by one start at a time
        self._names: dict[str, threading.RLock] = {}

    @property
    def name(self) -> str:
        """``process``."""
        return "process"

    @property
    def isolation(self) -> str:
        """``none``: programs share the machine's files, processes and network."""
        return "none"

    def isolation_of(self, kind: str) -> str:  # noqa: ARG002
        """Return ``none``."""
        return self.isolation

    def require(self, kind: str) -> None:
        """Raise ``not-supported`` for anything but a bundle."""
        if kind != "bundle":
            raise LadingError(
                "not-supported",
                doing=f"looking for what runs {kind}s",
                happened="the process runtime runs bundles only",
                hint='build it with bundle = "requirements.txt" or "uv.lock"',
            )

    def room(self, release: Release) -> None:  # noqa: ARG002
        """Return nothing: the store's own room is all."""
        return

    def prepare(self, release: Release) -> None:
        """Do nothing: programs run from the laid-out layers."""

    def prune(self, keep: Collection[str]) -> int:  # noqa: ARG002
        """Do nothing: there is nothing but the laid-out layers."""
        return 0

    def require_egress(self) -> None:
        """Raise ``egress``: a process reaches whatever its host does."""
        raise LadingError(
            "egress",
            doing="restricting what programs may reach",
            happened="a bundle runs as a plain process, which reaches whatever its host does",
            now="nothing was started",
            hint="build an image, or remove egress",
        )

    def denied(self, marker: str, *, lines: int = 100) -> Sequence[str]:  # noqa: ARG002
        """Return nothing: nothing is restricted here."""
        return ()

    def platform(self) -> Platform:
        """Return this machine's platform and the Python that runs the agent."""
        library, version = platform.libc_ver()
        return Platform(
            system=platform.system().lower(),
            machine=platform.machine(),
            libc=f"{library} {version}".strip(),
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
        )

    def start(self, spec: InstanceSpec, secrets: Mapping[str, Secret]) -> InstanceState:
        """Start the instance, or return it as it runs; an exited one is started again, on its port if that is free."""
        with self._name(spec.name), explained(spec):
            lock = self._lock_unless_running(spec.name)
            if lock is not None:
                try:
                    self._start_locked(spec, secrets, lock)
                finally:
                    os.close(lock)  # the keeper has its own hold on it
            state = self.look(spec.name)
            if state is None:
                raise LadingError("start-failed", happened=f"the record of {spec.name} was removed while it started")
            return state

    def _lock_unless_running(self, name: str) -> int | None:
        """Take the lock that a start needs; None when the instance turns out to run."""
        deadline = time.monotonic() + LOCKED
        while True:
            record = self._records.read(name)
            if record is not None and self._records.running(record) is not None:
                return None
            lock = self._records.try_lock(name)
            if lock is not None:
                # Nobody starts it now; had somebody just done so, it would be seen here.
                record = self._records.read(name)
                if record is None or self._records.running(record, waiting=False) is None:
                    return lock
                os.close(lock)
                return None
            if time.monotonic() >= deadline:
                raise LadingError(
                    "start-failed",
                    doing=f"starting {name}",
                    happened=f"somebody else has been starting it for {LOCKED:.0f} s",
                    hint=f"see who holds {self._records.folder(name) / 'lock'} (fuser), then try again",
                )
            time.sleep(POLL)

    def _start_locked(self, spec: InstanceSpec, secrets: Mapping[str, Secret], lock: int) -> None:
        previous = self._records.read(spec.name)
        if previous is not None:
            # Children it left behind would hold its port.
            ending.kill_all(self._records, previous, self._records.process(previous, waiting=False))
        log = self._log(spec.name)
        logs.trim(log, self._log_limit)
        with self._starting:
            port = None
            if spec.port is not None:
                taken = {known.port for known in self._records.all() if known.name != spec.name and known.port}
                port = self._ports.choose(previous.port if previous is not None else None, taken)
            attempt = Attempt(name=spec.name, records=self._records, previous=previous, log=log, port=port)
            self._launcher.start(spec, secrets, attempt, lock)

    def look(self, name: str) -> InstanceState | None:
        """Return the instance as it is now; its exit status is None where nobody was left to note it."""
        reap()
        record = self._records.read(name)
        return self._state(record) if record is not None else None

    def list(self) -> Sequence[InstanceState]:
        """Return every instance by name."""
        reap()
        return tuple(self._state(record) for record in self._records.all())

    def _state(self, record: Record) -> InstanceState:
        process = self._records.running(record)
        return InstanceState(
            name=record.name,
            running=process is not None,
            address=f"{LOOPBACK}:{record.port}" if record.port is not None else "",
            pid=process.pid if process is not None else 0,
            started=record.started,
            exit_status=self._records.exit_status(record) if process is None else None,
            restarts=record.attempt - 1,
            limits=record.limits,
        )

    def stop(self, name: str, *, grace: float) -> None:
        """Ask the program to end, wait, then kill whatever is left of it."""
        with self._name(name):
            record = self._records.read(name)
            if record is None:
                return
            ending.stop(self._records, record, grace)
            reap()

    def remove(self, name: str) -> None:
        """Kill what runs and forget the instance; its log stays until maintenance needs the space."""
        with self._name(name):
            self.stop(name, grace=0.0)
            self._records.forget(name)

    def connections(self, name: str) -> int:
        """Return how many established connections end at the instance's port."""
        record = self._records.read(name)
        if record is None or record.port is None or self._records.running(record) is None:
            return 0
        return sockets.established(record.port)

    def logs(self, name: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last lines the instance wrote. They are as written: mask secrets before showing them."""
        return logs.last_lines(self._log(name), lines)

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run a command to its end.

        A run of that name that still goes on, even one of an agent that died, is waited for instead of being started
        again; its time counts from its own start.
        """
        return self._runs.run(run, secrets)

    def begin_run(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Start a command that goes on by itself, once."""
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
        """Run while everything else of the environment is stopped (SIGSTOP); a guard of its own carries it."""
        return self._holds.run(held, secrets)

    def unsettled(self, marker: str) -> Sequence[str]:
        """Return the names of an environment's holds that are not over."""
        return self._holds.unsettled(marker)

    def settle(self, name: str) -> HeldResult | None:
        """Bring a hold whose guard died to its end; None while its guard is at work."""
        return self._holds.settle(name)

    # beyond the port: what a supervisor needs

    def pidfds(self) -> dict[str, int]:
        """Return an open pidfd of every running instance, readable when it exits. The caller closes them."""
        found = {}
        for record in self._records.all():
            process = self._records.running(record)
            fd = open_handle(process) if process is not None else None
            if fd is not None:
                found[record.name] = fd
        return found

    def maintain(self) -> None:
        """Cut logs that grew beyond their limit, drop the oldest logs and runs that nobody asks for any more.

        To be called every few seconds; between two calls a log can exceed its limit by what is written meanwhile.
        """
        reap()
        known = {self._log(name).name for name in self._records.names()}
        forgotten = []
        for log in self._logs.glob("*.log"):
            logs.trim(log, self._log_limit)
            if log.name not in known:
                forgotten.append(log)
        total = 0
        for log in sorted(forgotten, key=lambda path: path.stat().st_mtime, reverse=True):
            total += log.stat().st_blocks * 512
            if total > FORGOTTEN_LOGS:
                log.unlink()
                logs.older_part(log).unlink(missing_ok=True)
        self._runs.prune()
        self._holds.prune()

    def strays(self) -> Sequence[str]:
        """Return, in words, processes and control groups of instances and runs that nobody knows any more."""
        known = {*self._records.names(), *self._runs.names()}
        return [*stray_processes(self._logs.parent.parent, known), *stray_groups(self._launcher.group_folders, known)]

    def _data_dir(self, project: str, environment: str) -> Path:
        return self._environments / file_name(project) / file_name(environment)

    def _log(self, name: str) -> Path:
        return self._logs / f"{file_name(name)}.log"

    def _name(self, name: str) -> threading.RLock:
        return self._names.setdefault(name, threading.RLock())
