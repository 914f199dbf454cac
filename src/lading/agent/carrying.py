"""Carries rollouts and runs, each in a thread of its own, until they have an outcome."""

import logging
import threading
from collections.abc import Callable, Iterable

from lading.agent import heap
from lading.engine.patience import Parked

log = logging.getLogger(__name__)

PARKED_PAUSE = 2.0  # seconds before what is parked or was interrupted is tried again
INTERRUPTIONS = 15  # tries that nobody foresaw the end of, before it is given up


class Carriers:
    """The threads that carry what an agent has accepted, by number; at most one a number.

    ``carry`` carries one to its end or raises Parked, ``give_up`` ends one that no try could carry on, ``published`` is
    told of every end, ``noun`` names what is carried.
    """

    def __init__(
        self,
        noun: str,
        carry: Callable[[int], object],
        give_up: Callable[[int, BaseException], object],
        published: Callable[[int], None],
    ) -> None:
        self._noun = noun
        self._carry_one = carry
        self._give_up = give_up
        self._published = published
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads: dict[int, threading.Thread] = {}
        self._parked: dict[int, str] = {}

    def stopping(self) -> bool:
        """Tell whether the agent is about to end."""
        return self._stopping.is_set()

    def take_up(self, numbers: Iterable[int]) -> None:
        """Carry every one that nobody carries: the last agent's, or one that lost its thread."""
        for number in numbers:
            self.carry(number)

    def carry(self, number: int) -> None:
        """Carry one in a thread of its own, unless one does already."""
        thread = threading.Thread(target=self._carry, args=(number,), name=f"{self._noun}-{number}", daemon=True)
        with self._guard:
            if self._stopping.is_set() or number in self._threads:
                return
            self._threads[number] = thread
        try:
            thread.start()
        except RuntimeError as error:
            # It is in the journal, so it is accepted; it is taken up when a thread can be had.
            log.warning("%s %s waits for a thread: %s", self._noun, number, error)
            self._threads.pop(number, None)

    def waits(self, number: int) -> str:
        """Say what one waits for before it can go on; empty when it goes on."""
        return self._parked.get(number, "")

    def carried(self) -> frozenset[int]:
        """Return the numbers of those that are carried now."""
        with self._guard:
            return frozenset(self._threads)

    def stop(self) -> None:
        """Park what runs; the next agent takes it up again."""
        self._stopping.set()
        with self._guard:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(timeout=5.0)

    def told(self, number: int) -> None:
        """Note that one goes on: what could be told was written to the journal, so nothing is waited for any more."""
        self._parked.pop(number, None)
        self._published(number)

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
            self._published(number)
            heap.give_back()

    def _carried(self, number: int, *, last: bool) -> bool:
        try:
            self._carry_one(number)
        except Parked as reason:
            log.warning("%s %s is parked: %s", self._noun, number, reason)
            self._parked[number] = str(reason)
            return False
        except BaseException as error:
            # Nothing may leave it without a holder: it is logged and taken up again from the journal.
            log.exception("%s %s was interrupted", self._noun, number)
            return last and self._gave_up(number, error)
        return True

    def _gave_up(self, number: int, error: BaseException) -> bool:
        try:
            self._give_up(number, error)
        except Exception:
            log.exception("%s %s could not even be given up", self._noun, number)
            return False
        return True
