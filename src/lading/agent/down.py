"""Takes a local environment down: nothing of it runs or is routed until it is brought up again; its data stays.

What should be is one commit of the journal: the environment serves nothing, and was stopped at a time. All that follows
only makes it so, and is made so again by the supervisor, whenever an agent is killed in between.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from lading.agent.answers import StoppedInstance, TakenDown
from lading.engine.context import Locks
from lading.engine.leftovers import leftovers
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, InstanceSpec
from lading.model.errors import LadingError
from lading.ports.journal import Audit
from lading.ports.journal.refusals import busy

STOPPED_AT_ONCE = 8  # instances

# Ends the runs of jobs in an environment (``project/name``), asked for by somebody.
EndRuns = Callable[[str, str], None]


class Downs:
    """Takes environments down. ``data`` gives the directory of an environment's data by project and name."""

    def __init__(
        self, world: World, admission: Locks, locks: Locks, data: Callable[[str, str], Path], end_runs: EndRuns
    ) -> None:
        self._end_runs = end_runs
        self._world = world
        self._admission = admission
        self._locks = locks
        self._data = data

    def take(self, project: str, environment: str, who: str) -> TakenDown:
        """Stop all that runs of an environment and its routes, and return what was stopped; quiet when it is down.

        Raise ``not-local`` for an environment of another tier, ``busy`` while a rollout of it is under way.
        """
        with self._admission.of(f"{project}/{environment}"):
            record = self._world.journal.environment(project, environment)
            if record is None:
                return self._told(project, environment, None, [])
            self._check(record)
            down = self._note(record, who)
            unroute(self._world, self._locks, down)
        self._end_runs(record.key, who)
        serving = record.serving
        running = [spec for spec in leftovers(self._world, down) if self._runs(spec)]
        self._stop(running)
        # Last: what serves may still write to it while it ends.
        backing = [spec for spec in down.backing.values() if self._runs(spec)]
        self._stop(backing)
        running += backing
        return self._told(project, environment, serving.release.version if serving is not None else None, running)

    def _check(self, record: EnvironmentRecord) -> None:
        if record.tier != "local":
            serves = record.serving.release.version if record.serving is not None else "nothing"
            raise LadingError(
                "not-local",
                doing="refused",
                happened=f"{record.name} is of tier {record.tier}, and only local environments are taken down",
                now=f"{record.name} serves {serves}, untouched",
                hint=f"to go back to the release before: lading rollback {record.name}",
            )
        for rollout in self._world.journal.unfinished():
            if (rollout.project, rollout.environment) == (record.project, record.name):
                raise busy("down", rollout, self._world.clock.now(), doing=f"taking {record.key} down")

    def _note(self, record: EnvironmentRecord, who: str) -> EnvironmentRecord:
        """Make it a fact of the journal that the environment serves nothing, and return the record of that."""
        if record.serving is None and record.standby is None and (record.is_down or not record.backing):
            return record
        now = self._world.clock.now()
        version = record.serving.release.version if record.serving is not None else None
        data = {"environment": record.key, "version": version}
        self._world.journal.audit(Audit(at=now, who=who, act="taken down", data=data))
        ways = (record.serving.rollout,) if record.serving is not None else ()
        down = msgspec.structs.replace(
            record,
            serving=None,
            standby=None,
            standby_until=0.0,
            history=tuple(dict.fromkeys((*ways, *record.history))),
            alert="",
            stopped=now,
        )
        self._world.journal.save_environment(down)
        return down

    def _runs(self, spec: InstanceSpec) -> bool:
        state = self._world.runtime.look(spec.name)
        return state is not None and state.running

    def _stop(self, specs: list[InstanceSpec]) -> None:
        with ThreadPoolExecutor(max_workers=STOPPED_AT_ONCE) as pool:
            stops = [pool.submit(self._world.runtime.stop, spec.name, grace=spec.grace) for spec in specs]
        for stop in stops:
            stop.result()

    def _told(self, project: str, environment: str, release: str | None, specs: list[InstanceSpec]) -> TakenDown:
        data = self._data(project, environment)
        return TakenDown(
            project=project,
            environment=environment,
            release=release,
            stopped=tuple(StoppedInstance(name=spec.label, version=spec.version) for spec in specs),
            data=str(data) if data.is_dir() else "",
        )


def unroute(world: World, locks: Locks, record: EnvironmentRecord) -> None:
    """See that an environment that is down is routed nowhere, unless a rollout is bringing it up."""
    with locks.of(record.key):
        # In this order: a rollout that ends in between would have its routes taken away on the word of an old record.
        rolling = any(
            (rollout.project, rollout.environment) == (record.project, record.name)
            for rollout in world.journal.unfinished()
        )
        current = world.journal.environment(record.project, record.name)
        if rolling or current is None or not current.is_down:
            return
        if world.router.current(record.key) is not None:
            world.router.withdraw(record.key)
