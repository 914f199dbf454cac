"""What every test may use: waiting for a condition instead of sleeping."""

import inspect
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL = 0.01  # seconds between two looks at a condition


def until(condition: Callable[[], T], within: float = 5.0, what: str = "") -> T:
    """Wait until ``condition()`` is true and return what it gave.

    Raise AssertionError naming ``what`` (else the condition's own source) after ``within`` seconds.
    """
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {within:g} s: {what or _source(condition)} (last: {value!r})")
        time.sleep(POLL)


def _source(condition: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
