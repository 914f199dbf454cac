"""Patience with the journal: what cannot be written now is tried again, then the rollout is parked."""

from collections.abc import Callable
from typing import TypeVar

from lading.model.errors import LadingError
from lading.ports.clock import Clock

# Seconds between tries of the journal after one that failed (a full disk): short first, for faults that heal at once.
RETRY_PAUSES = (0.1, 0.5, 2.0)

# What an act may raise without taking the engine along: anything but the death of the process itself.
ANYTHING = (Exception, SystemExit)

_T = TypeVar("_T")


class Parked(Exception):
    """The rollout cannot go on now, in either direction, but nothing is lost: it is taken up again later.

    Raised while the journal cannot be written (a full disk) and while the agent stops.
    """


def patiently(clock: Clock, work: Callable[[], _T]) -> _T:
    """Carry out a read or write of the journal; a failing one is tried again, then the rollout is parked.

    Parking is safe: what serves goes on serving, and the next try begins from what the journal holds.
    """
    for pause in RETRY_PAUSES:
        try:
            return work()
        except (LadingError, OSError):
            clock.wait(pause, lambda: False)
    try:
        return work()
    except (LadingError, OSError) as error:
        raise Parked(f"the journal cannot be used: {error}") from error
