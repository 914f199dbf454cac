"""Keeps what serves alive between rollouts: restarts with back-off, retires the previous release, sweeps leftovers."""

import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence

import msgspec

from lading.engine.context import Locks
from lading.engine.leftovers import leftovers
from lading.engine.routes import generation_of, routes_of
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, InstanceSpec, Pinned
from lading.model.errors import LadingError

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5  # seconds between two looks at all instances
BACKOFF_FIRST = 0.5  # seconds before a second restart
BACKOFF_LAST = 60.0  # seconds between restarts of an instance that keeps dying
SETTLED = 60.0  # seconds an instance must have run for its back-off to begin anew


@dataclasses.dataclass
class _Patience:
    """How long an instance that keeps dying waits for its next start."""

    pause: float = 0.0
    not_before: float = 0.0


class Supervisor:
    """Looks after every environment of the agent from one thread.

    ``admission`` is held while a rollout is opened: what a plan has observed must not be retired meanwhile. ``chores``
    are further things to do at every look, such as rotating logs.
    """

    def __init__(
        self,
        world: World,
        locks: Locks,
        admission: threading.Lock,
        chores: Sequence[Callable[[], object]] = (),
    ) -> None:
        self._world = world
        self._locks = locks
        self._admission = admission
        self._chores = chores
        self._patience: dict[str, _Patience] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        """Begin looking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking and wait for a look under way; instances run on."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    def restore(self) -> None:
        """Bring back what served before the agent (or the whole machine) went down, environment by environment."""
        self._carefully("the router", self._world.router.ensure)
        for record in self._world.journal.environments():
            if record.serving is not None:
                self._carefully(f"restoring {record.key}", lambda record=record: self._tend(record))  # type: ignore[misc]

    def look(self) -> None:
        """Look at everything once."""
        self._carefully("the router", self._world.router.ensure)
        for record in self._world.journal.environments():
            self._carefully(f"tending {record.key}", lambda record=record: self._tend(record))  # type: ignore[misc]
            self._carefully(f"retiring in {record.key}", lambda record=record: self._retire(record))  # type: ignore[misc]
        for chore in self._chores:
            self._carefully("a chore", chore)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            self._carefully("the journal", self.look)

    def _carefully(self, what: str, work: Callable[[], object]) -> None:
        # One environment's trouble must not keep the supervisor from the others; the next look tries again.
        try:
            work()
        except (LadingError, OSError) as error:
            log.warning("%s: %s", what, error)
        except Exception:
            log.exception("%s", what)

    # restarts

    def _tend(self, record: EnvironmentRecord) -> None:
        if record.serving is None:
            return
        with self._locks.of(record.key):
            current = self._world.journal.environment(record.project, record.name)
            if current is None or current.serving is None:
                return
            moved = [self._revive(current, spec) for spec in self._mine(current, current.serving)]
            if any(moved):
                self._route(current, current.serving)

    def _mine(self, record: EnvironmentRecord, unit: Pinned) -> tuple[InstanceSpec, ...]:
        # While a rollout hands the workers over, which of them should run is the engine's business.
        return unit.web if self._in_rollout(record) else unit.instances

    def _in_rollout(self, record: EnvironmentRecord) -> bool:
        return any(
            (rollout.project, rollout.environment) == (record.project, record.name)
            for rollout in self._world.journal.unfinished()
        )

    def _revive(self, record: EnvironmentRecord, spec: InstanceSpec) -> bool:
        """Start an instance again if it died; tell whether its routes have to be looked at."""
        now = self._world.clock.monotonic()
        patience = self._patience.setdefault(spec.name, _Patience())
        state = self._world.runtime.look(spec.name)
        if state is not None and state.running:
            if self._world.clock.now() - state.started > SETTLED:
                patience.pause = 0.0
            return False
        if now < patience.not_before:
            return False
        patience.pause = min(BACKOFF_LAST, max(BACKOFF_FIRST, patience.pause * 2))
        patience.not_before = now + patience.pause
        log.warning("%s of %s is down, starting it again", spec.label, record.key)
        secrets = {
            variable: self._world.secrets.get(record.key, name, version)
            for variable, (name, version) in spec.secrets.items()
        }
        self._world.runtime.start(spec, secrets)
        return True

    def _route(self, record: EnvironmentRecord, unit: Pinned) -> None:
        current = self._world.router.current(record.key)
        if unit.web and (current is None or current.generation == generation_of(unit)):
            self._world.router.apply(routes_of(self._world, record, unit))

    # retiring

    def _retire(self, record: EnvironmentRecord) -> None:
        """Stop the previous release once its time as the instant way back is over, and what nobody knows."""
        with self._admission:
            current = self._world.journal.environment(record.project, record.name)
            if current is None or self._in_rollout(current):
                return
            if current.standby is not None and self._world.clock.now() >= current.standby_until:
                # A unit that serves again shares its instances' names with the one that stood by.
                current = msgspec.structs.replace(current, standby=None, standby_until=0.0)
                self._world.journal.save_environment(current)
            self._sweep(current)

    def _sweep(self, record: EnvironmentRecord) -> None:
        for spec in list(leftovers(self._world, record)):
            self._world.runtime.stop(spec.name, grace=spec.grace)
            self._world.runtime.remove(spec.name)
            self._patience.pop(spec.name, None)
