"""The end of a rollout: its outcome, what it measured, and its word in the bill."""

from typing import Any

import msgspec

from lading.engine.acts.attest import facts_of, sign
from lading.engine.context import Context
from lading.engine.ledger import Ledger
from lading.engine.patience import ANYTHING, Parked
from lading.engine.story import Story
from lading.model.bill import Envelope
from lading.model.environment import EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.plan import Canary, Cutover
from lading.model.rollout import Outcome, Rollout


class Ending:
    """Ends one rollout; nothing but a journal that cannot be written keeps it from its outcome."""

    def __init__(self, context: Context, ledger: Ledger, story: Story) -> None:
        self._context = context
        self._rollout = context.rollout
        self._ledger = ledger
        self._story = story

    def turned_outcome(self, error: dict[str, Any] | None) -> Outcome:
        """Return what a rollout is called that was turned around and taken back."""
        if self._answered():
            return "rolled_back"
        return "cancelled" if error is not None and error["code"] == "cancelled" else "unwound"

    def _answered(self) -> bool:
        """Tell whether the release that is left has been given requests, all of them or a share."""
        steps = list(enumerate(self._rollout.plan.steps))
        cut_over = any(
            isinstance(step, Cutover) and self._ledger.marked(index, "forward", "outcome") is not None
            for index, step in steps
        )
        return cut_over or any(
            isinstance(step, Canary) and self._ledger.marked(index, "forward", "intent") is not None
            for index, step in steps
        )

    def finish(self, outcome: Outcome, error: dict[str, Any] | None) -> Rollout:
        """Give the rollout its outcome, with what it measured, and return it."""
        world, facts = self._context.world, self._facts()
        statements = self._failure_statement(outcome, facts)
        record = None
        if outcome == "stuck":
            told = f"{error['happened']}; next: {error['hint']}" if error else ""
            text = f"rollout {self._rollout.id} is stuck: {told}"
            record = msgspec.structs.replace(self._context.record(), alert=text)
        elif outcome == "succeeded":
            record = self._cleared(self._context.record())
        self._story.tell("finished", text=outcome, data={"outcome": outcome, "error": error})
        self._ledger.patiently(
            lambda: world.journal.finish(
                self._rollout.id,
                outcome,
                at=world.clock.now(),
                error=error,
                lost_requests=facts.get("lost_requests", 0),
                requests=facts.get("requests", 0),
                record=record,
                statements=statements,
            )
        )
        self._story.published()
        return self._ledger.rollout()

    def _cleared(self, record: EnvironmentRecord) -> EnvironmentRecord | None:
        """Return the record without what the rollout put an end to; None where there is nothing of that kind."""
        if self._rollout.plan.unit is None:
            # What backs it is up again; an alert is about what serves.
            return msgspec.structs.replace(record, stopped=0.0) if record.is_down else None
        return msgspec.structs.replace(record, alert="") if record.alert else None

    def give_up(self, error: BaseException) -> Rollout:
        """End a rollout that no try could carry on as stuck."""
        said = LadingError(
            "stuck",
            doing=f"rollout {self._rollout.id}",
            happened=f"every try to carry it on was interrupted: {type(error).__name__}: {error}",
            now="what serves is left as it is; while the alert stands nothing is taken away",
            hint=f"the traceback is in the agent's log; then: lading deploy {self._rollout.environment} VERSION",
        )
        return self.finish("stuck", self._story.clean_data(said.to_plain()))

    def _facts(self) -> dict[str, Any]:
        try:
            return facts_of(self._context)
        except Parked:
            raise
        except ANYTHING as error:
            self._story.tell("warning", text=f"what the rollout measured is incomplete: {error}")
            return {}

    def _failure_statement(self, outcome: Outcome, facts: dict[str, Any]) -> tuple[tuple[str, Envelope], ...]:
        unit = self._rollout.plan.unit
        if outcome == "succeeded" or unit is None:
            return ()
        try:
            envelope = sign(self._context, unit, "rollout", passed=False, facts={**facts, "outcome": outcome})
        except Parked:
            raise
        except ANYTHING as error:
            self._story.tell("warning", text=f"the failure could not be signed into the bill: {error}")
            return ()
        return ((unit.release.digest, envelope),)
