"""Keeps what serves alive between rollouts: restarts with back-off, retires the previous release, sweeps leftovers."""

import dataclasses
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import msgspec

from lading.agent.down import unroute
from lading.agent.maintenance import follow
from lading.engine import resolving
from lading.engine.context import Locks
from lading.engine.leftovers import leftovers
from lading.engine.routes import generation_of, routes_of
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, InstanceSpec, Pinned
from lading.model.errors import LadingError
from lading.model.plan import Stop

log = logging.getLogger(__name__)

LOOK_EVERY = 0.5  # seconds between two looks at all instances
BACKOFF_FIRST = 0.5  # seconds before a second restart
BACKOFF_LAST = 60.0  # seconds between restarts of an instance that keeps dying
ROUTING_LAST = 4.0  # seconds between tries to route to addresses that the router did not confirm
SETTLED = 60.0  # seconds an instance must have run for its back-off to begin anew


@dataclasses.dataclass
class _Patience:
    """How long what keeps failing waits for its next try."""

    pause: float = 0.0
    not_before: float = 0.0

    def try_now(self, now: float, last: float = BACKOFF_LAST) -> bool:
        """Tell whether its time has come; if so, the next try waits twice as long, ``last`` at most."""
        if now < self.not_before:
            return False
        self.pause = min(last, max(BACKOFF_FIRST, self.pause * 2))
        self.not_before = now + self.pause
        return True


class Supervisor:
    """Looks after every environment of the agent: one thread tends what serves, another retires what is left.

    ``admission`` is held, environment by environment, while a rollout is opened: what a plan has observed must not be
    retired meanwhile. ``chores`` are further things to do at every look, such as rotating logs; ``at_home`` is asked
    before each look whether there is anything left to look after.
    """

    def __init__(
        self,
        world: World,
        locks: Locks,
        admission: Locks,
        chores: Sequence[Callable[[], object]] = (),
        at_home: Callable[[], bool] = lambda: True,
    ) -> None:
        self._world = world
        self._locks = locks
        self._admission = admission
        self._chores = chores
        self._at_home = at_home
        self._patience: defaultdict[str, _Patience] = defaultdict(_Patience)
        self._unrouted: set[str] = set()
        self._stop = threading.Event()
        # Two, because an old instance may take its whole grace to end, and a dead one must not wait for that.
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            for name, work in (("supervisor", self._tend_all), ("supervisor-retiring", self._retire_all))
        ]

    def start(self) -> None:
        """Begin looking."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop looking and wait for a look under way; instances run on."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=10.0)

    def restore(self) -> None:
        """Bring back what served before the agent (or the whole machine) went down, environment by environment."""
        self._carefully("the router", self._world.router.ensure)
        for record in self._world.journal.environments():
            # The last agent may have died between starting an instance and routing to it.
            self._unrouted.add(record.key)
            self._carefully(f"restoring {record.key}", lambda record=record: self._tend(record))  # type: ignore[misc]

    def look(self) -> None:
        """Look at everything once."""
        self._tend_all()
        self._retire_all()

    def _tend_all(self) -> None:
        self._carefully("the router", self._world.router.ensure)
        for record in self._world.journal.environments():
            self._carefully(f"tending {record.key}", lambda record=record: self._tend(record))  # type: ignore[misc]
        for chore in self._chores:
            self._carefully("a chore", chore)

    def _retire_all(self) -> None:
        for record in self._world.journal.environments():
            self._carefully(f"retiring in {record.key}", lambda record=record: self._retire(record))  # type: ignore[misc]

    def _run(self, work: Callable[[], None]) -> None:
        while not self._stop.wait(LOOK_EVERY) and self._at_home():
            self._carefully("the journal", work)

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
        if record.is_down:
            unroute(self._world, self._locks, record)
        lock = self._locks.of(record.key)
        # Whoever has it moves routes or migrates; the other environments must not wait for that.
        if not lock.acquire(timeout=LOOK_EVERY):
            return
        try:
            if self._is_held(record.key):
                return
            current = self._world.journal.environment(record.project, record.name)
            if current is None or current.is_down:
                return
            if current.serving is not None:
                self._carefully(f"maintenance of {record.key}", lambda: follow(self._world, record))
            if current.serving is not None and self._waits_for_nobody(current):
                self._clear_the_way(current)
            # What backs it first: the programs of a release ask it when they start.
            mine = self._mine(current, current.serving) if current.serving is not None else ()
            for spec in (*current.backing.values(), *mine):
                self._carefully(
                    f"restarting {spec.label} of {record.key}",
                    lambda spec=spec: self._revive(current, spec),  # type: ignore[misc]
                )
            if current.serving is None:
                return
            if record.key in self._unrouted:
                self._route(current, current.serving)
        finally:
            lock.release()

    def _is_held(self, key: str) -> bool:
        """Bring holds to their end whose carrier died; tell whether one goes on: then nothing may be started."""
        return any(self._world.runtime.settle(name) is None for name in self._world.runtime.unsettled(key))

    def _waits_for_nobody(self, record: EnvironmentRecord) -> bool:
        """Tell whether requests wait although no rollout is there any more that would let them be answered."""
        routes = self._world.router.current(record.key)
        return routes is not None and routes.hold > 0 and not self._in_rollout(record)

    def _clear_the_way(self, record: EnvironmentRecord) -> None:
        """End what a stuck rollout left running: what serves is to run alone, and then to be routed to."""
        for spec in list(leftovers(self._world, record)):
            self._remove(spec)
        self._unrouted.add(record.key)

    def _mine(self, record: EnvironmentRecord, unit: Pinned) -> tuple[InstanceSpec, ...]:
        # While a rollout hands the workers over, which of them should run is the engine's business; and one that got
        # stuck may have left those of the other release running.
        if self._in_rollout(record) or any(self._runs(spec) for spec in _other_workers(record)):
            stopped = set(self._stopped_by_rollout(record))
            return tuple(spec for spec in unit.web if spec.name not in stopped)
        return unit.instances

    def _stopped_by_rollout(self, record: EnvironmentRecord) -> Iterator[str]:
        """Yield the names of the instances that a rollout has begun to stop, so that its candidate runs alone."""
        for rollout in self._world.journal.unfinished():
            if (rollout.project, rollout.environment) == (record.project, record.name):
                begun = {mark.step for mark in self._world.journal.marks(rollout.id)}
                for index, step in enumerate(rollout.plan.steps):
                    if isinstance(step, Stop) and index in begun:
                        yield from (spec.name for spec in step.instances)

    def _runs(self, spec: InstanceSpec) -> bool:
        state = self._world.runtime.look(spec.name)
        return state is not None and state.running

    def _in_rollout(self, record: EnvironmentRecord) -> bool:
        return any(
            (rollout.project, rollout.environment) == (record.project, record.name)
            for rollout in self._world.journal.unfinished()
        )

    def _revive(self, record: EnvironmentRecord, spec: InstanceSpec) -> None:
        """Start an instance again if it died; its routes have to be looked at then."""
        patience = self._patience[spec.name]
        state = self._world.runtime.look(spec.name)
        if state is not None and state.running:
            if self._world.clock.now() - state.started > SETTLED:
                patience.pause = 0.0
            return
        if not patience.try_now(self._world.clock.monotonic()):
            return
        log.warning("%s of %s is down, starting it again", spec.label, record.key)
        secrets = resolving.secrets_of(self._world, record.key, spec)
        # Noted first: an agent's own trouble right after the start must not leave the routes as they are.
        self._unrouted.add(record.key)
        self._world.runtime.start(spec, secrets)

    def _route(self, record: EnvironmentRecord, unit: Pinned) -> None:
        """See that the routes name the addresses of now; tried again, ever more slowly, until the router confirms."""
        if not self._patience[record.key].try_now(self._world.clock.monotonic(), ROUTING_LAST):
            return
        if unit.web and self._routes_are_its(record, unit):
            routes, current = routes_of(self._world, record, unit), self._world.router.current(record.key)
            if current is not None and self._in_rollout(record):
                # Who has a share of the requests is the rollout's business.
                routes = msgspec.structs.replace(routes, canary=current.canary)
            self._world.router.apply(routes)
        self._unrouted.discard(record.key)
        del self._patience[record.key]

    def _routes_are_its(self, record: EnvironmentRecord, unit: Pinned) -> bool:
        current = self._world.router.current(record.key)
        if current is None:
            # Within a rollout, what is routed nowhere was withdrawn by it.
            return not self._in_rollout(record)
        return current.generation == generation_of(unit) or self._waits_for_nobody(record)

    # retiring

    def _retire(self, record: EnvironmentRecord) -> None:
        """Stop the previous release once its time as the instant way back is over, and what nobody knows."""
        with self._admission.of(record.key):
            current = self._world.journal.environment(record.project, record.name)
            if current is None or current.alert or self._in_rollout(current):
                # While an alert stands, the router may ask either release, and somebody may need what is left of them.
                return
            if current.standby is not None and self._world.clock.now() >= current.standby_until:
                # A unit that serves again shares its instances' names with the one that stood by.
                current = msgspec.structs.replace(current, standby=None, standby_until=0.0)
                self._world.journal.save_environment(current)
            self._sweep(current)
            if current.is_down:
                self._rest(current)

    def _rest(self, record: EnvironmentRecord) -> None:
        """Stop what backs an environment that is down: whoever took it down died, or a way up was turned back."""
        for spec in record.backing.values():
            if self._runs(spec):
                self._carefully(
                    f"stopping {spec.label} of {record.key}",
                    lambda spec=spec: self._world.runtime.stop(spec.name, grace=spec.grace),  # type: ignore[misc]
                )

    def _sweep(self, record: EnvironmentRecord) -> None:
        for spec in list(leftovers(self._world, record)):
            self._carefully(f"sweeping {spec.name}", lambda spec=spec: self._remove(spec))  # type: ignore[misc]

    def _remove(self, spec: InstanceSpec) -> None:
        self._world.runtime.stop(spec.name, grace=spec.grace)
        self._world.runtime.remove(spec.name)
        self._patience.pop(spec.name, None)


def _other_workers(record: EnvironmentRecord) -> tuple[InstanceSpec, ...]:
    """Return the workers of the unit that stands by, but for those that are the serving unit's own."""
    if record.standby is None or record.serving is None:
        return ()
    return tuple(spec for spec in record.standby.workers if spec not in record.serving.workers)
