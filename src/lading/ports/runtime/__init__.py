"""Where instances run."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from lading.model.environment import InstanceSpec, InstanceState
from lading.model.jobs import OutputFile
from lading.model.release import Platform, Release
from lading.model.secret import Secret
from lading.ports.database import Place


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A command to run to its end in a release's own environment.

    ``name`` identifies the run: running it again under the same name starts nothing new while the first still runs.
    ``spec`` gives release, environment variables, volumes and limits as for an instance; its ``command`` is what is
    run, followed by ``args``. ``timeout`` in seconds; when it ends, the whole process group is killed.
    """

    name: str
    spec: InstanceSpec
    args: tuple[str, ...] = ()
    timeout: float = 60.0


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended: exit status (None: stopped at its timeout), last output (both streams), outputs directory."""

    exit_status: int | None
    output: str
    outputs: str
    seconds: float


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a run that was begun ended: exit status (negative: by that signal), last output, outputs directory.

    ``exit_status`` is None where nobody saw its end, ``lost`` says that the machine went down under it. ``files`` are
    those below the outputs directory; ``started`` is in seconds since the epoch, ``seconds`` how long it took.
    """

    exit_status: int | None
    output: str = ""
    outputs: str = ""
    started: float = 0.0
    seconds: float = 0.0
    lost: bool = False
    files: tuple[OutputFile, ...] = ()


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that a run wrote (both streams), and the cursor to ask for the next ones with."""

    lines: tuple[str, ...]
    cursor: str


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A run that changes a database while everything else of its environment is frozen.

    ``name`` identifies the hold (it derives from rollout and database), ``place`` says which database, ``limit`` is
    how many seconds the others may stand still, restoring included.
    """

    name: str
    run: Run
    place: Place
    limit: float = 10.0

    @property
    def marker(self) -> str:
        """The environment whose instances and runs are frozen, as ``project/name``."""
        return f"{self.run.spec.project}/{self.run.spec.environment}"


class HeldResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a hold ended.

    ``kept``: the run ended well, what it did stands. ``restored``: the database is as it was when it was saved.
    ``torn``: it could not be restored, the saved copy is left. ``held`` is for how many seconds others stood still,
    ``reason`` says in words what kept it from ``kept``, ``output`` are the run's last lines.
    """

    outcome: Literal["kept", "restored", "torn"]
    exit_status: int | None = None
    output: str = ""
    held: float = 0.0
    reason: str = ""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """The room at a place where a runtime puts artifacts, in bytes: what a release needs more of it, what is free.

    ``could_go`` names, where it is too little, what lies there that nobody uses, the largest first.
    """

    needed: int
    free: int
    place: str
    could_go: tuple[str, ...] = ()


class Runtime(Protocol):
    """Starts, finds and stops instances; they outlive the agent.

    Every method may be called again after a crash: names identify instances, so a second call finds what the first
    left. Errors are :class:`~lading.model.errors.LadingError` (``start-failed``, ``no-space``, …).
    """

    @property
    def name(self) -> str:
        """The adapter's name: ``process``, ``docker``."""
        ...

    @property
    def isolation(self) -> str:
        """How far instances are kept from the host and from each other: ``none``, ``container``."""
        ...

    def isolation_of(self, kind: str) -> str:
        """Return how far instances of a kind of artifact (``bundle``, ``image``) are kept apart."""
        ...

    def require(self, kind: str) -> None:
        """Raise ``no-engine`` or ``not-supported``, saying what helps, when artifacts of a kind cannot run here now."""
        ...

    def require_egress(self) -> None:
        """Raise ``egress``, saying what helps, when what instances may reach cannot be restricted here now."""
        ...

    def denied(self, marker: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last attempts of an environment's instances and runs to reach what they may not, oldest first."""
        ...

    def platform(self) -> Platform:
        """Return what artifacts must have been built for."""
        ...

    def room(self, release: Release) -> Room | None:
        """Return the room that :meth:`prepare` will take and finds; None where it takes none beside the store's.

        Nothing is changed by it.
        """
        ...

    def prepare(self, release: Release) -> None:
        """See that instances of a release's artifacts can be started at once, as far as its blobs alone do not do.

        Raise ``artifact-corrupt`` when a blob that is needed is missing. A second call does nothing.
        """
        ...

    def prune(self, keep: Collection[str]) -> int:
        """Undo :meth:`prepare` for every artifact that ``keep`` (their digests, diff ids) does not name.

        What an instance still uses stays. Return the bytes freed.
        """
        ...

    def start(self, spec: InstanceSpec, secrets: Mapping[str, Secret]) -> InstanceState:
        """Start the instance and return it running, with its address; do not wait for it to be healthy.

        ``secrets`` maps environment variables to values. Calling it again while the instance runs starts nothing new
        and returns it; when it has exited, it is started again under the same name, on the same address if free.
        Where the spec restricts what it may reach, that holds before its program runs, or nothing is started.
        """
        ...

    def look(self, name: str) -> InstanceState | None:
        """Return the instance as it is now, exited or running; None when nothing of that name was ever started
        (or it was removed). An instance that was being started when its starter died is found too.
        """
        ...

    def list(self) -> Sequence[InstanceState]:
        """Return every instance this runtime knows, exited ones included."""
        ...

    def stop(self, name: str, *, grace: float) -> None:
        """Ask the instance to end (its stop signal), wait at most ``grace`` seconds, then kill it and its children.

        Return once nothing of it runs. Stopping what is stopped or unknown does nothing.
        """
        ...

    def remove(self, name: str) -> None:
        """Stop the instance without grace if it still runs and forget it; its logs stay readable. Idempotent."""
        ...

    def connections(self, name: str) -> int:
        """Return how many connections to the instance are established now (0 when it is gone)."""
        ...

    def logs(self, name: str, *, lines: int = 100) -> Sequence[str]:
        """Return the last lines the instance wrote (both streams), oldest first; empty when there are none."""
        ...

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run a command to its end and return how it ended; never raise for its exit status."""
        ...

    def begin_run(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Start a command that goes on by itself; do nothing when one of that name was ever begun, ended or not.

        Its timeout is the caller's to keep. What is known of it stays until :meth:`drop_run`.
        """
        ...

    def run_end(self, run: Run, *, wait: float) -> Ended | None:
        """Wait at most ``wait`` seconds for a begun run and return how it ended; None while it goes on.

        What it left in the background has ended too. The answer stays the same for every later caller, whoever dies
        meanwhile; a run that was never begun has an end that nobody saw. Output is as written: mask it.
        """
        ...

    def stop_run(self, run: Run, *, grace: float) -> None:
        """Ask a begun run to end, wait at most ``grace`` seconds, then kill all of it; quiet when it has ended."""
        ...

    def run_output(self, run: Run, cursor: str = "") -> Written:
        """Return lines that a begun run wrote after a cursor (empty: from the beginning), at most some thousands.

        A last line without its end comes once the run has ended. They are as written: mask secrets before showing.
        """
        ...

    def drop_run(self, run: Run) -> None:
        """Forget a begun run that has ended, with its output and its files; idempotent."""
        ...

    def run_held(self, held: Held, secrets: Mapping[str, Secret]) -> HeldResult:
        """Freeze the run's environment, save the database, run, restore it unless all went well, thaw; tell the end.

        It is carried by somebody who outlives the caller and ends by itself within the limit, whatever happens to
        caller and run. Between saving and the end nobody but the run writes to the database, and what was decided is
        on disk before the first instance is thawed: so what an instance acknowledged is never taken back. Calling it
        again under the same name joins it, or returns how it ended.
        """
        ...

    def unsettled(self, marker: str) -> Sequence[str]:
        """Return the names of an environment's holds that have not come to their end: nothing may be started then."""
        ...

    def settle(self, name: str) -> HeldResult | None:
        """Bring a hold whose carrier died to its end, and return how it ended; None while its carrier is at work.

        What was not declared finished is restored, and what stands frozen is thawed. A hold that never began, or that
        nobody ever heard of, ends ``restored``.
        """
        ...
