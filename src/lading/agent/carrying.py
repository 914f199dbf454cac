"""Carries rollouts, each in a thread of its own, until they have an outcome."""

import logging
import threading

from lading.agent import heap
from lading.agent.changes import Changes
from lading.engine.context import Locks
from lading.engine.engine import Engine
from lading.engine.patience import Parked
from lading.engine.world import World

log = logging.getLogger(__name__)

PARKED_PAUSE = 2.0  # seconds before a rollout that is parked or was interrupted is tried again
INTERRUPTIONS = 15  # tries that nobody foresaw the end of, before a rollout is given up as stuck


class Carriers:
    """The threads that carry the agent's rollouts; at most one a rollout."""

    def __init__(self, world: World, changes: Changes, locks: Locks) -> None:
        self._world = world
        self._changes = changes
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
        self._parked: dict[int, str] = {}
        self._engine = Engine(world, locks=locks, published=self._told, stopping=self._stopping.is_set)

    def take_up(self) -> None:
        """Carry every rollout without an outcome that nobody carries: the last agent's, or one that lost its thread."""
        for rollout in self._world.journal.unfinished():
            self.carry(rollout.id)

    def carry(self, number: int) -> None:
        """Carry a rollout in a thread of its own, unless one does already."""
        thread = threading.Thread(target=self._carry, args=(number,), name=f"rollout-{number}", daemon=True)
        with self._guard:
            if self._stopping.is_set() or number in self._threads:
                return
            self._threads[number] = thread
        try:
            thread.start()
        except RuntimeError as error:
            # It is in the journal, so it is accepted; it is taken up when a thread can be had.
            log.warning("rollout %s waits for a thread: %s", number, error)
            self._threads.pop(number, None)

    def waits(self, number: int) -> str:
        """Say what a rollout waits for before it can go on; empty when it goes on."""
        return self._parked.get(number, "")

    def stop(self) -> None:
        """Park what runs; the next agent takes it up again."""
        self._stopping.set()
        with self._guard:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout=5.0)

    def _told(self, number: int) -> None:
        # What could be told was written to the journal, so nothing is waited for any more.
        self._parked.pop(number, None)
        self._changes.publish(number)

    def _carry(self, number: int) -> None:
        interruptions = 0
        try:
            while not self._carried(number, last=interruptions >= INTERRUPTIONS):
                interruptions += not self.waits(number)
                if self._stopping.wait(PARKED_PAUSE):
                    return
        finally:
            self._threads.pop(number, None)
            self._parked.pop(number, None)
            self._changes.publish(number)
            heap.give_back()

    def _carried(self, number: int, *, last: bool) -> bool:
        try:
            self._engine.carry(number)
        except Parked as reason:
            log.warning("rollout %s is parked: %s", number, reason)
            self._parked[number] = str(reason)
            return False
        except BaseException as error:
            # Nothing may leave a rollout without a holder: it is logged and taken up again from the journal.
            log.exception("rollout %s was interrupted", number)
            return last and self._gave_up(number, error)
        return True

    def _gave_up(self, number: int, error: BaseException) -> bool:
        try:
            self._engine.give_up(number, error)
        except Exception:
            log.exception("rollout %s could not even be given up", number)
            return False
        return True
