"""Holds in a runtime without processes: everybody stands still while a program works on a database."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.database import Custody, Place
from lading.ports.runtime import Held, HeldResult, Run, RunResult


@dataclass
class MemoryHold:
    """A hold, how far it came, whom it froze, and how it ended."""

    held: Held
    stages: list[str] = field(default_factory=list)
    frozen: set[str] = field(default_factory=set)
    decided: HeldResult | None = None
    over: bool = False

    @property
    def result(self) -> HeldResult | None:
        """How it ended; None before it is over."""
        return self.decided if self.over else None


class MemoryHolds(ABC):
    """Holds, which are carried at once; ``lock`` is the whole runtime's, ``custody_of`` whose databases are held."""

    def __init__(self, lock: threading.RLock, custody_of: Callable[[Place], Custody] | None) -> None:
        self._lock = lock
        self._custody_of = custody_of
        self._holds: dict[str, MemoryHold] = {}
        self._guard_dies = ""
        self.frozen: set[str] = set()
        self.at_work: set[str] = set()

    @abstractmethod
    def running_of(self, marker: str) -> set[str]:
        """Return the names of the instances of an environment that run."""

    @abstractmethod
    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run to the end."""

    def run_held(self, held: Held, secrets: Mapping[str, Secret]) -> HeldResult:
        """Carry the hold to its end at once, unless its guard dies on the way; then bring it to an end."""
        with self._lock:
            hold = self._holds.setdefault(held.name, MemoryHold(held))
            if hold.result is None and not hold.stages:
                self._carry(hold, secrets)
            return hold.result or self._bring_to_end(hold)

    def unsettled(self, marker: str) -> Sequence[str]:
        """Return the names of holds whose guard died and that nobody has brought to their end."""
        with self._lock:
            return tuple(name for name, hold in self._holds.items() if hold.held.marker == marker and not hold.over)

    def settle(self, name: str) -> HeldResult | None:
        """Bring a hold to its end; None while a test says that its guard is at work."""
        with self._lock:
            if name in self.at_work:
                return None
            hold = self._holds.get(name)
            if hold is None:
                return HeldResult(outcome="restored", reason="it never began")
            return hold.result or self._bring_to_end(hold)

    def _carry(self, hold: MemoryHold, secrets: Mapping[str, Secret]) -> None:
        custody = self._custody(hold)
        custody.prepare()
        with custody.writing_shut(hold.held.limit):
            hold.frozen = self.running_of(hold.held.marker)
            self.frozen |= hold.frozen
            custody.save(hold.held.limit)
        if self._dies(hold, "frozen"):
            return
        hold.stages.append("begun")
        ran = self.run(hold.held.run, secrets)
        if self._dies(hold, "ran"):
            return
        self._end(hold, ran)

    def _end(self, hold: MemoryHold, ran: RunResult) -> None:
        kept = ran.exit_status == 0
        outcome = "kept" if kept else self._restored(hold)
        if kept:
            self._custody(hold).secure()
        hold.decided = HeldResult(
            outcome=outcome,
            exit_status=ran.exit_status,
            output=ran.output,
            held=ran.seconds,
            reason="" if kept else f"exit status {ran.exit_status}",
        )
        if not self._dies(hold, "decided"):
            self._let_go(hold)

    def _bring_to_end(self, hold: MemoryHold) -> HeldResult:
        if hold.decided is None:
            outcome = self._restored(hold) if "begun" in hold.stages else "restored"
            hold.decided = HeldResult(outcome=outcome, reason="its guard was killed before it was done")
        self._let_go(hold)
        return hold.decided

    def _restored(self, hold: MemoryHold) -> Literal["restored", "torn"]:
        try:
            self._custody(hold).restore()
        except LadingError:
            return "torn"
        return "restored"

    def _let_go(self, hold: MemoryHold) -> None:
        self.frozen -= hold.frozen
        hold.over = True

    def _dies(self, hold: MemoryHold, stage: str) -> bool:
        hold.stages.append(stage)
        dies = self._guard_dies == stage
        if dies:
            self._guard_dies = ""
        return dies

    def _custody(self, hold: MemoryHold) -> Custody:
        if self._custody_of is None:
            raise RuntimeError("this memory runtime was given no databases to hold")
        return self._custody_of(hold.held.place)

    def kill_guard(self, stage: str) -> None:
        """Let the guard of the next hold die once it has ``frozen``, ``ran`` or ``decided``."""
        self._guard_dies = stage
