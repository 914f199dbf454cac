"""Faults that a real agent takes from its environment: whose visits count, and what was visited."""

import threading
from pathlib import Path

import pytest

from lading.engine.faults import Fault, Faults, to_environment
from lading.model.errors import LadingError


def _in_thread(name: str, work: object) -> None:
    thread = threading.Thread(target=work, name=name)  # type: ignore[arg-type]
    thread.start()
    thread.join()


def test_only_visits_of_its_threads_count() -> None:
    """A fault meant for rollouts is not used up by the supervisor, which visits the same points all the time."""
    faults = Faults.from_environment(to_environment((Fault(point="p", act="fail", at=2, thread="rollout-"),)))
    _in_thread("supervisor", lambda: [faults.visit("p") for _ in range(5)])
    _in_thread("rollout-1", lambda: faults.visit("p"))
    failures = []

    def second() -> None:
        try:
            faults.visit("p")
        except LadingError as error:
            failures.append(error.doing)

    _in_thread("rollout-1", second)
    assert failures == ["p"]
    assert faults.visits["p"] == 7


def test_a_fault_strikes_as_often_as_it_says() -> None:
    """From its visit on, a fault strikes the number of times it names; 0 is for good."""
    once, always = Fault(point="a", act="fail", at=2), Fault(point="b", act="fail", times=0)
    faults = Faults((once, always))
    faults.visit("a")
    with pytest.raises(LadingError):
        faults.visit("a")
    faults.visit("a")
    for _ in range(3):
        with pytest.raises(LadingError):
            faults.visit("b")


def test_visits_can_be_traced(tmp_path: Path) -> None:
    """With a trace, every visit leaves a line with its thread: what there is to strike at."""
    faults = Faults.from_environment("[]", str(tmp_path / "trace"))
    _in_thread("rollout-7", lambda: faults.visit("router.apply:before"))
    assert (tmp_path / "trace").read_text() == "rollout-7 router.apply:before\n"
