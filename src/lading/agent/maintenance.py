"""Puts environments under maintenance and ends it: a switch of the router that holds whatever is rolled out meanwhile.

What should be is one commit of the journal. The router is made to follow at once, and by the supervisor at every look:
whoever dies in between, and whoever routes meanwhile, the page is shown exactly while the journal says so.
"""

import re

import msgspec

from lading.engine.context import Locks
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord, Maintenance
from lading.model.errors import LadingError
from lading.ports.journal import Audit

LONGEST = 500  # characters of a message
SHORTEST_RETRY, LONGEST_RETRY = 1, 86400  # seconds
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class MaintenanceAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whether an environment should be under maintenance, and what its page says; ``retry_after`` in seconds."""

    on: bool
    message: str = ""
    retry_after: int = 120


class MaintenanceSet(msgspec.Struct, frozen=True, kw_only=True):
    """The maintenance an environment is under now (null: none), whether that was changed, and where it answers."""

    project: str
    environment: str
    maintenance: Maintenance | None
    changed: bool
    url: str


class Maintenances:
    """The switch of every environment."""

    def __init__(self, world: World, locks: Locks) -> None:
        self._world = world
        self._locks = locks

    def switch(self, project: str, environment: str, asked: MaintenanceAsked, who: str) -> MaintenanceSet:
        """Show the page or end it and return once the router has confirmed it; asked again it only confirms.

        Raise ``unknown-environment``, ``usage`` for a message no page could show, ``router-failed`` when the router
        does not confirm: the supervisor then goes on trying.
        """
        _check(environment, asked)
        record = self._world.journal.environment(project, environment)
        if record is None:
            raise LadingError(
                "unknown-environment",
                doing=f"maintenance of {environment}",
                happened=f"{project} has no environment {environment} on this host",
                now="nothing was changed",
                hint=f"lading status shows what there is; lading deploy {environment}, to begin with it",
            )
        before = self._world.journal.maintenance(project, environment)
        wanted = self._wanted(asked, before, who)
        if wanted != before:
            act = "maintenance on" if wanted is not None else "maintenance off"
            data = {"environment": record.key, "message": asked.message}
            audit = Audit(at=self._world.clock.now(), who=who, act=act, data=data)
            self._world.journal.set_maintenance(project, environment, wanted, audit)
        with self._locks.of(record.key):
            follow(self._world, record)
        return MaintenanceSet(
            project=project,
            environment=environment,
            maintenance=wanted,
            changed=wanted != before,
            url=self._world.router.url(record.key),
        )

    def _wanted(self, asked: MaintenanceAsked, before: Maintenance | None, who: str) -> Maintenance | None:
        if not asked.on:
            return None
        if before is not None and (before.message, before.retry_after) == (asked.message, asked.retry_after):
            return before
        since = before.since if before is not None else self._world.clock.now()
        return Maintenance(message=asked.message, since=since, by=who, retry_after=asked.retry_after)


def follow(world: World, record: EnvironmentRecord) -> None:
    """See that the router shows the page exactly if the journal says so; the environment's lock is held.

    Where nothing is routed there is nothing to show: the first routes come with the page.
    """
    routes = world.router.current(record.key)
    if routes is None:
        return
    wanted = world.journal.maintenance(record.project, record.name)
    if routes.maintenance != wanted:
        world.router.apply(msgspec.structs.replace(routes, maintenance=wanted))


def _check(environment: str, asked: MaintenanceAsked) -> None:
    problem = ""
    if len(asked.message) > LONGEST:
        problem = f"the message has {len(asked.message)} characters, {LONGEST} are shown at most"
    elif _UNPRINTABLE.search(asked.message):
        problem = "the message holds a line break or another character that no page could show"
    elif not SHORTEST_RETRY <= asked.retry_after <= LONGEST_RETRY:
        problem = f"clients can be told to ask again after {SHORTEST_RETRY} to {LONGEST_RETRY} seconds"
    if problem:
        raise LadingError(
            "usage",
            doing=f"maintenance of {environment}",
            happened=problem,
            now="nothing was changed",
            hint="lading maintenance on --help",
        )
