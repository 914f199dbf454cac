"""Carries a plan forward, or back, over the journal: each step intent → act → outcome.

*Resume* needs no code of its own: an intent without an outcome is acted again (acts are idempotent), a step with an
outcome is passed over. The direction is a journaled fact, so a rollout that was unwinding when the agent died goes on
unwinding.
"""

import traceback
from collections.abc import Callable
from typing import Any

from lading.engine.acts import ACTS, UNDOS, probing
from lading.engine.context import Context, Locks
from lading.engine.done import Done
from lading.engine.ending import Ending
from lading.engine.ledger import Ledger
from lading.engine.patience import ANYTHING, Parked
from lading.engine.story import Story
from lading.engine.world import World
from lading.model.errors import LadingError
from lading.model.plan import Step
from lading.model.rollout import Rollout

# Seconds between tries of an undo that failed; after the last the rollout is stuck and somebody has to look.
UNDO_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)

# Seconds between tries of a step behind the point of no return.
LATE_PAUSES = (0.2, 1.0)

# What an undo may lack that comes back by itself or by somebody's hand: it waits and is never given up for want of it.
MENDED_BY_WAITING = {"no-space": "space", "no-engine": "the container engine"}


def _nobody(number: int) -> None:
    """Publish to nobody."""


def _never() -> bool:
    return False


class Engine:
    """Carries rollouts. One call of :meth:`carry` is one thread's work for one rollout.

    ``published`` is called with the rollout's number after every event; ``stopping`` tells that the agent is about to
    end, so that a waiting rollout is parked and taken up at the next start.
    """

    def __init__(
        self,
        world: World,
        *,
        locks: Locks | None = None,
        published: Callable[[int], None] = _nobody,
        stopping: Callable[[], bool] = _never,
    ) -> None:
        self._world = world
        self._locks = locks or Locks()
        self._published = published
        self._stopping = stopping

    def carry(self, number: int) -> Rollout:
        """Carry a rollout to its outcome, from wherever it stands, and return it.

        Raise :class:`~lading.engine.patience.Parked` when it cannot go on now (journal not writable, agent stopping);
        then call again later.
        """
        rollout = Ledger(self._world, number).rollout()
        if rollout.outcome is not None:
            return rollout
        return self._passage(rollout).carry()

    def give_up(self, number: int, error: BaseException) -> Rollout:
        """End a rollout that no try could carry on as stuck, with an alert; what serves is left as it is.

        Raise :class:`~lading.engine.patience.Parked` when the journal cannot be used now.
        """
        rollout = Ledger(self._world, number).rollout()
        if rollout.outcome is not None:
            return rollout
        return self._passage(rollout).give_up(error)

    def _passage(self, rollout: Rollout) -> "_Passage":
        return _Passage(self._world, rollout, self._locks, self._published, self._stopping)


class _Passage:
    """One run of one rollout through its plan."""

    def __init__(
        self,
        world: World,
        rollout: Rollout,
        locks: Locks,
        published: Callable[[int], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._world = world
        self._rollout = rollout
        self._ledger = Ledger(world, rollout.id)
        self._story = Story(world, rollout, published)
        self._context = Context(world, rollout, self._story, locks, stopping)
        self._ending = Ending(self._context, self._ledger, self._story)

    def carry(self) -> Rollout:
        if self._rollout.direction == "forward":
            self._forward()
        now = self._ledger.rollout()
        if now.direction == "unwinding":
            stuck = self._unwind()
            if stuck is not None:
                return self._ending.finish("stuck", stuck)
            return self._ending.finish(self._ending.turned_outcome(now.error), now.error)
        return self._ending.finish("succeeded", None)

    def give_up(self, error: BaseException) -> Rollout:
        return self._ending.give_up(error)

    # forward

    def _forward(self) -> None:
        self._resume_prober()
        for index, step in enumerate(self._rollout.plan.steps):
            if self._ledger.marked(index, "forward", "outcome") is not None:
                continue
            if not step.critical and self._ledger.marked(index, "forward", "failed") is not None:
                continue
            if not self._step_forward(index, step):
                return

    def _step_forward(self, index: int, step: Step) -> bool:
        try:
            if index == self._rollout.plan.no_return:
                self._leave_the_way_back(index)
            if step.critical:
                self._context.check_cancelled()
                self._act(index, step)
            else:
                self._act_late(index, step)
        except Parked:
            raise
        except LadingError as error:
            self._turn(index, step, error)
            return False
        except ANYTHING as error:  # whatever it is, the old release must serve on
            self._turn(index, step, _unforeseen(step, error))
            return False
        return True

    def _leave_the_way_back(self, index: int) -> None:
        """Mark the point of no return: who asked to turn back before the mark is heard, who asks after it is too late.

        The mark comes first and the look second: so whoever asks, and then sees no mark, can be sure to be heard.
        """
        if self._ledger.marked(index, "forward", "intent") is None:
            self._ledger.write(index, "forward", "intent")
            self._context.check_cancelled()

    def _act(self, index: int, step: Step) -> None:
        clock = self._world.clock
        self._enter(index, step)
        if self._ledger.marked(index, "forward", "intent") is None:
            self._ledger.write(index, "forward", "intent")
        self._tell("step", index, step, step.detail)
        start = clock.monotonic()
        done: Done = ACTS[type(step)](self._context, step)
        seconds = clock.monotonic() - start
        facts = self._story.clean_data(done.facts)
        self._ledger.write(index, "forward", "outcome", seconds=seconds, result=facts, record=done.record)
        self._tell("done", index, step, done.text or step.detail, seconds)

    def _act_late(self, index: int, step: Step) -> None:
        """Act behind the point of no return: try again, then say what failed and go on; the new release serves."""
        for pause in (*LATE_PAUSES, None):
            try:
                self._act(index, step)
                return
            except Parked:
                raise
            except ANYTHING as error:  # the release serves; a failed step is reported, not undone
                if pause is not None:
                    self._world.clock.wait(pause, _never)
                    continue
                said = error if isinstance(error, LadingError) else _unforeseen(step, error)
                text = self._story.clean(str(said))
                self._ledger.write(index, "forward", "failed", result={"error": text})
                self._tell("warning", index, step, f"{step.kind} failed, the new release serves on: {text}")

    def _turn(self, index: int, step: Step, error: LadingError) -> None:
        plain = self._story.clean_data(error.to_plain())
        self._ledger.write(index, "forward", "failed", result={"error": plain})
        self._tell("failed", index, step, plain["happened"], data=plain)
        self._ledger.patiently(lambda: self._world.journal.turn(self._rollout.id, "unwinding", plain))
        self._story.tell("direction", text="unwinding")

    # back

    def _unwind(self) -> dict[str, Any] | None:
        """Undo what began, last first; return the error when an undo failed for good."""
        for index, step in reversed(list(enumerate(self._rollout.plan.steps))):
            undo = UNDOS.get(type(step))
            began = self._ledger.marked(index, "forward", "intent") is not None
            if undo is None or not began or self._ledger.marked(index, "unwinding", "outcome") is not None:
                continue
            error = self._undo(index, step, undo)
            if error is not None:
                return error
        return None

    def _undo(self, index: int, step: Step, undo: Callable[..., Done | None]) -> dict[str, Any] | None:
        self._enter(index, step)
        if self._ledger.marked(index, "unwinding", "intent") is None:
            self._ledger.write(index, "unwinding", "intent")
            self._tell("undo", index, step, step.undo_text)
        clock = self._world.clock
        start = clock.monotonic()
        for pause in (*UNDO_PAUSES, None):
            try:
                done = undo(self._context, step) or Done()
                break
            except Parked:
                raise
            except ANYTHING as error:  # an undo that fails is tried again, then somebody has to look
                if pause is None and (missing := _missing(error)):
                    raise Parked(f"the undo of {step.kind} needs {missing}: {error}") from error
                if pause is None:
                    return self._story.clean_data(self._undo_failed(step, error).to_plain())  # type: ignore[no-any-return]
                self._world.clock.wait(pause, _never)
        seconds = clock.monotonic() - start
        facts = self._story.clean_data(done.facts)
        self._ledger.write(index, "unwinding", "outcome", seconds=seconds, result=facts, record=done.record)
        self._tell("undone", index, step, done.text or step.undo_text, seconds)
        return None

    def _undo_failed(self, step: Step, error: BaseException) -> LadingError:
        plan = self._rollout.plan
        happened, remedy = str(error), "mend the cause"
        if isinstance(error, LadingError):
            happened = "; ".join(part for part in (error.happened, error.now) if part)
            happened, remedy = f"{error.doing}: {happened}" if error.doing else happened, error.hint or remedy
        release = plan.previous or (plan.release if plan.unit is not None else "")
        return LadingError(
            "stuck",
            doing=f"undo of {step.kind} ({step.undo_text})",
            happened=happened,
            now=f"{self._context.serving_now()}, as the journal has it; while the alert stands nothing is taken away",
            hint=f"{remedy}; then: lading deploy {plan.environment} {release}".rstrip(),
        )

    # helpers

    def _resume_prober(self) -> None:
        """Start the prober again when the agent died while it asked; its count begins anew, and that is said."""
        steps = list(enumerate(self._rollout.plan.steps))
        asking = [i for i, step in steps if step.kind == "prober" and self._ledger.marked(i, "forward", "outcome")]
        # What comes after the drain, where there is one, asks nobody any more.
        over = [i for i, step in steps if step.kind in ("drain", "attest") and self._marked(i)]
        if not asking or over or probing.count(self._context).requests:
            return
        index = asking[0]
        step = self._rollout.plan.steps[index]
        self._enter(index, step)
        try:
            ACTS[type(step)](self._context, step)
        except Parked:
            raise
        except ANYTHING as error:
            self._tell("warning", index, step, f"lost requests are not counted any more: {error}")
            return
        self._ledger.write(index, "forward", "outcome", result={"anew": True})
        self._tell("warning", index, step, "the agent was interrupted: lost requests are counted anew from here")

    def _marked(self, index: int) -> bool:
        return self._ledger.marked(index, "forward", "outcome") is not None

    def _enter(self, index: int, step: Step) -> None:
        self._context.index, self._context.step = index, step

    def _tell(
        self,
        kind: str,
        index: int,
        step: Step,
        text: str,
        seconds: float | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        rounded = round(seconds, 3) if seconds is not None else None
        self._story.tell(kind, index=index, step=step, text=text, seconds=rounded, data=data)


def _unforeseen(step: Step, error: BaseException) -> LadingError:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return LadingError(
        "unexpected",
        doing=step.kind,
        happened=f"{type(error).__name__}: {error}",
        details=(f"{where.filename.rpartition('/')[2]}:{where.lineno} in {where.name}",),
        hint="the traceback is in the agent's log",
    )


def _missing(error: BaseException) -> str:
    """Return what an act lacks that comes back by waiting, so that the undo can go on then; empty for all else."""
    return MENDED_BY_WAITING.get(error.code, "") if isinstance(error, LadingError) else ""
