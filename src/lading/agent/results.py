"""A rollout as scripts read it: what the contract for scripts promises, made from the journal."""

from collections.abc import Sequence

import msgspec

from lading.agent.answers import RolloutAnswer, RolloutEntry, RolloutView, StepView
from lading.agent.asking import RolloutRequest
from lading.model.data_steps import Migrate
from lading.model.rollout import Mark, Rollout
from lading.ports.clock import Clock
from lading.ports.journal import Journal


class Results:
    """Reads results from the journal."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock

    def of(self, rollout: Rollout) -> RolloutView:
        """Return a rollout's result as far as it is known."""
        marks = self._journal.marks(rollout.id)
        return RolloutView(
            id=rollout.id,
            environment=rollout.environment,
            release=rollout.plan.release,
            previous=rollout.plan.previous,
            outcome=rollout.outcome,
            seconds=self._seconds(rollout),
            lost_requests=rollout.lost_requests,
            requests=rollout.requests,
            steps=_steps(rollout, marks),
            held_seconds=_held(rollout, marks),
        )

    def answer(self, rollout: Rollout) -> RolloutAnswer:
        """Return a rollout's result with what turned it around."""
        return RolloutAnswer(rollout=self.of(rollout), error=rollout.error)

    def entry(self, rollout: Rollout) -> RolloutEntry:
        """Return a rollout for a history."""
        view = self.of(rollout)
        fields = {name: getattr(view, name) for name in RolloutView.__struct_fields__}
        return RolloutEntry(
            **fields,
            project=rollout.project,
            kind=rollout.kind,
            requested_by=rollout.requested_by,
            created=rollout.created,
        )

    def refused(self, request: RolloutRequest) -> RolloutView:
        """Return the result of a request that opened no rollout because it was refused."""
        return self._never_opened(request, "refused")

    def nothing_to_do(self, request: RolloutRequest) -> RolloutView:
        """Return the result of a request for what serves already."""
        return self._never_opened(request, "succeeded")

    def _never_opened(self, request: RolloutRequest, outcome: str) -> RolloutView:
        record = self._journal.environment(request.project, request.environment)
        serving = record.serving.release.version if record is not None and record.serving is not None else None
        return RolloutView(
            id=None,
            environment=request.environment,
            release=request.to or request.version or (serving if outcome == "succeeded" else None),
            previous=serving,
            outcome="succeeded" if outcome == "succeeded" else "refused",
            seconds=0.0,
            lost_requests=0,
            requests=0,
            steps=(),
        )

    def _seconds(self, rollout: Rollout) -> float:
        end = rollout.finished if rollout.finished is not None else self._clock.now()
        # A wall clock that was set back must not give a negative duration.
        return round(max(0.0, end - rollout.created), 3)


def _steps(rollout: Rollout, marks: Sequence[Mark]) -> tuple[StepView, ...]:
    return tuple(
        StepView(
            name=step.kind,
            subject=step.subject,
            outcome=_outcome(own := [mark for mark in marks if mark.step == index]),
            seconds=round(sum(mark.seconds for mark in own), 3),
        )
        for index, step in enumerate(rollout.plan.steps)
    )


def _held(rollout: Rollout, marks: Sequence[Mark]) -> float | msgspec.UnsetType:
    if not any(isinstance(step, Migrate) for step in rollout.plan.steps):
        return msgspec.UNSET
    # Of one migration both marks may tell, what came of it and that it was left so.
    held: dict[int, float] = {mark.step: mark.result["held"] for mark in marks if "held" in mark.result}
    return round(sum(held.values()), 4)


def _outcome(marks: list[Mark]) -> str:
    if not marks:
        return "pending"
    last = marks[-1]
    if last.phase == "intent":
        return "running"
    if last.phase == "failed":
        return "failed"
    if last.direction == "forward":
        return "done"
    # Unwinding takes back what was done, and also what a failed act may have left behind.
    failed = any(mark.phase == "failed" and mark.direction == "forward" for mark in marks)
    return "failed" if failed else "undone"
