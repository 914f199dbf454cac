"""A rollout that cannot go on says what it waits for."""

import threading

from lading.agent.status import Status
from lading.model.errors import LadingError
from tests.recovery.agent import MemoryAgent
from tests.support import until


def test_a_parked_rollout_says_what_it_waits_for() -> None:
    """While the journal cannot be written status says so; once it can be, the rollout goes on and ends."""
    agent = MemoryAgent()
    agent.house.release("v1.0.0")
    status = Status(
        agent.world.journal, agent.world.runtime, agent.world.router, agent.world.clock, agent.rollouts.waits
    )
    mark = agent.world.journal.mark
    full = threading.Event()
    full.set()

    def writing(*words: object, **more: object) -> None:
        if full.is_set():
            raise LadingError("no-space", happened="the disk is full")
        mark(*words, **more)  # type: ignore[arg-type]

    agent.world.journal.mark = writing  # type: ignore[method-assign,assignment]
    rollout = agent.request("deploy", "v1.0.0")

    def step() -> str:
        (view,) = status.environments()
        return view.rollout.step if view.rollout is not None else ""

    assert "waiting: the journal cannot be used: the disk is full" in until(lambda: "full" in step() and step())
    full.clear()
    assert agent.ended(rollout).outcome == "succeeded"
    assert step() == ""
