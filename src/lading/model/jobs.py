"""Runs of jobs: what was asked or due, from which release, and how it ended."""

from typing import Literal

import msgspec

from lading.model.environment import InstanceSpec
from lading.model.environment_table import ObjectStore
from lading.model.manifest import Expect

# missed: a run that was due and never began.
Ending = Literal["succeeded", "failed", "timed_out", "stopped", "interrupted", "missed"]

Trigger = Literal["asked", "schedule", "catch-up"]


class OutputFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a run left: its path inside the outputs, and its bytes.

    ``url`` is where it lies in an object store and ``sha256`` what it holds there; both are empty until it is there.
    ``lost`` says why it can never get there: nobody can read it any more.
    """

    path: str
    size: int
    url: str = ""
    sha256: str = ""
    lost: str = ""


class Sending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far the files of a run are on their way to an object store.

    ``place`` is the part of their keys that no other run has. ``tries`` failed, the last one because of ``trouble``;
    ``again`` is when the next one is due, in seconds since the epoch. ``done`` once nothing is left to send.
    """

    store: ObjectStore
    place: str
    tries: int = 0
    again: float = 0.0
    trouble: str = ""
    done: bool = False


class JobRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of a job, as it was pinned when it was opened: a release that comes meanwhile does not change it.

    ``spec`` holds release, variables, secret versions and limits (None for what was missed). ``slot`` is the moment a
    schedule meant it for, ``began`` when it was about to be started (0: not yet), all in seconds since the epoch;
    ``timeout`` and ``seconds`` are seconds. ``stop`` says who asked it to end, ``overdue`` that its
    time limit was reached. ``exit_status`` is the program's own,
    negative for a signal, None where it is not known. ``outputs_at`` is the directory of its files until retention
    takes them (``kept``), ``sending`` tells of their way to a store, where one is wanted. ``slots`` counts the moments
    that a missed entry stands for.
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
    sending: Sending | None = None

    @property
    def name(self) -> str:
        """The name by which a runtime knows it; its number is never given out twice."""
        return f"{self.project}-{self.environment}-job-{self.id}-{self.job}"

    @property
    def is_unsent(self) -> bool:
        """Whether it has ended and files of it are still to be sent to a store."""
        return self.ending is not None and self.sending is not None and not self.sending.done

    @property
    def unsent(self) -> tuple[OutputFile, ...]:
        """The files that are still to be sent to a store."""
        return tuple(file for file in self.outputs if not file.url and not file.lost) if self.is_unsent else ()

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
