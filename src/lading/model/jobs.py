"""Runs of jobs: what was asked or due, from which release, and how it ended."""

from typing import Literal

import msgspec

from lading.model.environment import InstanceSpec
from lading.model.manifest import Expect

# missed: a run that was due and never began.
Ending = Literal["succeeded", "failed", "timed_out", "stopped", "interrupted", "missed"]

Trigger = Literal["asked", "schedule", "catch-up"]


class OutputFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a run left: its path inside the outputs, and its bytes."""

    path: str
    size: int


class JobRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a job, as it was pinned when it was opened: a release that comes meanwhile does not change it.

    ``spec`` holds release, variables, secret versions and limits (None for what was missed). ``slot`` is the moment a
    schedule meant it for, ``began`` when it was about to be started (0: not yet), all in seconds since the epoch;
    ``timeout`` and ``seconds`` are seconds. ``stop`` says who asked it to end, ``overdue`` that its
    time limit was reached. ``exit_status`` is the program's own,
    negative for a signal, None where it is not known. ``outputs_at`` is the directory of its files until retention
    takes them (``kept``). ``slots`` counts the moments that a missed entry stands for.
    """

    id: int
    project: str
    environment: str
    job: str
    release: str
    trigger: Trigger
    requested_by: str
    created: float
    spec: InstanceSpec | None = None
    args: tuple[str, ...] = ()
    size: str | None = None
    timeout: float = 3600.0
    expect: Expect = Expect()
    wanted: dict[str, str] = {}
    slot: float | None = None
    began: float = 0.0
    stop: str = ""
    overdue: bool = False
    ending: Ending | None = None
    exit_status: int | None = None
    reason: str = ""
    finished: float = 0.0
    seconds: float = 0.0
    outputs: tuple[OutputFile, ...] = ()
    outputs_at: str = ""
    kept: bool = True
    slots: int = 0

    @property
    def name(self) -> str:
        """The name by which a runtime knows it; its number is never given out twice."""
        return f"{self.project}-{self.environment}-job-{self.id}-{self.job}"

    @property
    def key(self) -> str:
        """The environment as ``project/name``."""
        return f"{self.project}/{self.environment}"


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job's schedule was carried out.

    Every moment up to ``considered`` (seconds since the epoch) was run or is recorded as missed. ``line`` and
    ``timezone`` are those that it was read by: with others, it begins anew.
    """

    project: str
    environment: str
    job: str
    line: str
    timezone: str
    considered: float
