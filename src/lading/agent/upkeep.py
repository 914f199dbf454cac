"""Keeps the journal small and a copy of it at hand."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lading.ports.clock import Clock

log = logging.getLogger(__name__)

FIRST_AFTER = 60.0  # seconds after the agent's start: starting is for what is served
EVERY = 3600.0  # seconds between two times
COPY_AGE = 24 * 3600.0  # seconds after which the journal's copy is made anew
KEPT_RUNS = 1000  # of each job in each environment; what they wrote goes much earlier
KEPT_EVENTS = 50_000  # about 20 MB: the stories of some five hundred rollouts


class Upkept(Protocol):
    """What is asked of the journal's file."""

    def prune_events(self, keep: int) -> int:
        """Remove the oldest events of ended rollouts until ``keep`` are left; return how many went."""
        ...

    def prune_runs(self, keep: int) -> int:
        """Remove the oldest runs of each job until ``keep`` are left; return how many went."""
        ...

    def backup_to(self, path: Path) -> None:
        """Write a checked copy of the journal to ``path``."""
        ...


class JournalUpkeep:
    """A chore to be called often, which does something every hour: prune events, and copy the journal once a day.

    ``copy`` is the copy's file; its age is told by ``wall`` (seconds since the epoch).
    """

    def __init__(self, journal: Upkept, copy: Path, clock: Clock, wall: Callable[[], float] = time.time) -> None:
        self._journal = journal
        self._copy = copy
        self._clock = clock
        self._wall = wall
        self._next = clock.monotonic() + FIRST_AFTER

    def __call__(self) -> None:
        """Do what is due; a failure is tried again in an hour."""
        if self._clock.monotonic() < self._next:
            return
        self._next = self._clock.monotonic() + EVERY
        pruned = self._journal.prune_events(KEPT_EVENTS)
        if pruned:
            log.info("removed the oldest %s events from the journal", pruned)
        self._journal.prune_runs(KEPT_RUNS)
        if self._is_old():
            self._journal.backup_to(self._copy)

    def _is_old(self) -> bool:
        try:
            age = self._wall() - self._copy.stat().st_mtime
        except FileNotFoundError:
            return True
        # A copy from the future was made before the clock was set back.
        return not 0.0 <= age < COPY_AGE
