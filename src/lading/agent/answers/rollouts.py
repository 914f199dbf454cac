"""What the agent answers of rollouts: plans, requests, streams, results and histories."""

from typing import Any

import msgspec

from lading.model.plan import Plan
from lading.model.rollout import Event, Outcome


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one step: ``done``, ``failed``, ``undone``, ``running`` or ``pending``, and its seconds."""

    name: str
    subject: str
    outcome: str
    seconds: float


class RolloutView(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as scripts read it. ``id`` is null for one that was never opened, ``outcome`` while it runs.

    ``held_seconds`` is there where a database was to be migrated: for how long requests had to wait for that.
    """

    id: int | None
    environment: str
    release: str | None
    previous: str | None
    outcome: Outcome | None
    seconds: float
    lost_requests: int
    requests: int
    steps: tuple[StepView, ...]
    held_seconds: float | msgspec.UnsetType = msgspec.UNSET


class RolloutEntry(RolloutView, frozen=True, kw_only=True):
    """A rollout in a history: besides the above its kind, who asked for it and when (seconds since the epoch)."""

    project: str
    kind: str
    requested_by: str
    created: float


class RolloutEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Rollouts, newest first."""

    rollouts: tuple[RolloutEntry, ...]


class RolloutOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request: ``number`` to follow (null: nothing to do), and the kind of the rollout it names.

    A rollback that is asked for while a rollout runs answers with that rollout, which turns back.
    """

    number: int | None
    kind: str
    rollout: RolloutView


class RolloutAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rollout's result and, where something turned it around, the error."""

    rollout: RolloutView
    error: dict[str, Any] | None = None


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a rollout's stream."""

    event: Event


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, its steps as lines for people, and the refusal that it would meet now (null: none)."""

    plan: Plan
    lines: tuple[str, ...]
    refused: dict[str, Any] | None = None
