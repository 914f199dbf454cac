"""What the journal already knows of a rollout, and making more of it known, patiently."""

from collections.abc import Callable
from typing import Any, TypeVar

from lading.engine.patience import patiently
from lading.engine.world import World
from lading.model.environment import EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.rollout import Direction, Mark, Phase, Rollout

_T = TypeVar("_T")


class Ledger:
    """Reads and makes the marks of one rollout."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        self._number = number

    def marked(self, index: int, direction: Direction, *phases: Phase) -> Mark | None:
        """Return the last mark of a step in a direction that is of one of the phases."""
        found = None
        for mark in self.patiently(lambda: self._world.journal.marks(self._number)):
            if mark.step == index and mark.direction == direction and mark.phase in phases:
                found = mark
        return found

    def rollout(self) -> Rollout:
        """Return the rollout as the journal has it now."""
        rollout = self.patiently(lambda: self._world.journal.rollout(self._number))
        if rollout is None:
            raise LadingError("unknown-rollout", happened=f"the journal has no rollout {self._number}")
        return rollout

    def write(
        self,
        index: int,
        direction: Direction,
        phase: Phase,
        *,
        seconds: float = 0.0,
        result: dict[str, Any] | None = None,
        record: EnvironmentRecord | None = None,
    ) -> None:
        """Make a mark, and save the environment's record in the same commit."""
        mark = Mark(
            step=index,
            direction=direction,
            phase=phase,
            at=self._world.clock.now(),
            seconds=round(seconds, 4),
            result=result or {},
        )
        self.patiently(lambda: self._world.journal.mark(self._number, mark, record))

    def patiently(self, work: Callable[[], _T]) -> _T:
        """Carry out a read or write of the journal with patience."""
        return patiently(self._world.clock, work)
