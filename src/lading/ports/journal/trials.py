"""What both halves of the journal's conformance suite use."""

import threading
from collections.abc import Callable
from typing import Any

from lading.model.errors import LadingError
from lading.model.rollout import Mark, Outcome, Rollout
from lading.ports.journal import Journal
from lading.ports.journal.samples import plan

AT = 1_700_000_000.5
UNWRITABLE: Any = object()


def begin(journal: Journal, environment: str = "stage", *, project: str = "cashback", at: float = AT) -> Rollout:
    """Open a rollout of v1.0.0 by anna."""
    return journal.begin(
        project=project,
        environment=environment,
        kind="deploy",
        requested_by="anna",
        at=at,
        plan=lambda number: plan(number, environment=environment, project=project),
    )


def finish(journal: Journal, number: int, outcome: Outcome = "succeeded", **more: Any) -> None:
    """Finish a rollout."""
    given = {"error": None, "lost_requests": 0, "requests": 7, "record": None, **more}
    journal.finish(number, outcome, at=AT + 60, **given)


def mark(step: int, **more: Any) -> Mark:
    """Return a mark of a step's intent."""
    given: dict[str, Any] = {"direction": "forward", "phase": "intent", "at": AT, **more}
    return Mark(step=step, **given)


def refusal(act: Callable[[], object]) -> LadingError:
    """Return the error that ``act`` must raise."""
    try:
        act()
    except LadingError as error:
        if not (error.happened and error.now and error.hint):
            raise AssertionError(f"it must say what happened, what is true now and what to do: {error}") from error
        return error
    raise AssertionError("nothing was refused")


def unwritable(act: Callable[[], object]) -> None:
    """See that ``act`` raises, because one of its values cannot be written."""
    try:
        act()
    except TypeError:
        return
    raise AssertionError("a value that cannot be written was taken")


def at_once(count: int, act: Callable[[int], object]) -> list[object]:
    """Call ``act`` in ``count`` threads at the same time and return results and errors, in the threads' order."""
    results: list[object] = [None] * count
    barrier = threading.Barrier(count)

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = act(index)
        except LadingError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
