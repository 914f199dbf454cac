"""One attempt to bring an environment to a release, and what is known of it."""

from typing import Any, Literal

import msgspec

from lading.model.plan import Plan

Direction = Literal["forward", "unwinding"]
Phase = Literal["intent", "outcome", "failed"]
Outcome = Literal["succeeded", "unwound", "rolled_back", "refused", "cancelled", "stuck"]

EXIT_OF_OUTCOME: dict[str, int] = {
    "succeeded": 0,
    "refused": 3,
    "unwound": 4,
    "cancelled": 4,
    "rolled_back": 5,
    "stuck": 8,
}


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """One journaled fact of a step: that it is about to act (``intent``), what came of it, or that it failed.

    ``at`` is wall time in seconds since the epoch; ``seconds`` how long the act took (outcome and failed only).
    ``result`` is JSON-ready data of the step, never a secret.
    """

    step: int
    direction: Direction
    phase: Phase
    at: float
    seconds: float = 0.0
    result: dict[str, Any] = {}


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as the journal holds it; ``outcome`` is None while it runs.

    ``error`` is :meth:`LadingError.to_plain` of what turned it around or stopped it.
    """

    id: int
    project: str
    environment: str
    kind: str
    plan: Plan
    requested_by: str
    created: float
    direction: Direction = "forward"
    outcome: Outcome | None = None
    finished: float | None = None
    error: dict[str, Any] | None = None
    cancel: str = ""
    lost_requests: int = 0
    requests: int = 0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a rollout's story, as streamed to clients and kept in the journal.

    ``kind``: ``plan`` ``step`` ``progress`` ``done`` ``failed`` ``direction`` ``undo`` ``undone`` ``warning``
    ``finished``. ``step`` is the step's number (None for the rollout itself); ``seq`` counts from 1 per rollout.
    """

    rollout: int
    seq: int
    at: float
    kind: str
    step: int | None = None
    name: str = ""
    subject: str = ""
    text: str = ""
    seconds: float | None = None
    data: dict[str, Any] = {}
