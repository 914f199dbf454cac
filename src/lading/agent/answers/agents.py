"""What the agent answers of itself: who it is, what it found, what people changed in it, and every failure."""

from typing import Any

import msgspec

from lading.agent.answers.rollouts import RolloutView
from lading.doctor.finding import Finding
from lading.ports.journal import Audit


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Who the agent is: its version, its interface's, its process, its home, its key, and how far it isolates.

    ``started`` is in seconds since the epoch.
    """

    name: str
    version: str
    api: str
    pid: int
    started: float
    home: str
    fingerprint: str
    runtime: str
    isolation: str


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances were stopped."""

    stopped: int


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent found when it looked at itself and its host; ``now`` is its clock, seconds since the epoch."""

    about: About
    now: float
    findings: tuple[Finding, ...]


class Audits(msgspec.Struct, frozen=True, kw_only=True):
    """Acts of people that changed what the agent believes or allows, newest first."""

    audit: tuple[Audit, ...]


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every failure: the error with its code, and for a refused rollout its result too."""

    error: dict[str, Any]
    rollout: RolloutView | None = None
