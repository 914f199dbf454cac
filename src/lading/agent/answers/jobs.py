"""What the agent answers of jobs and their runs."""

import msgspec

from lading.model.jobs import Ending, OutputFile, Trigger


class SendingView(msgspec.Struct, frozen=True, kw_only=True):
    """How far the files of a run are on their way to an object store (``store``: ``s3://BUCKET/PREFIX``).

    ``unsent`` counts the files that are still on the host only, ``lost`` those that nobody can read there any more.
    ``tries`` failed, the last one because of ``trouble``; ``again`` is when the next one is due, in seconds since the
    epoch (null: at once, or none).
    """

    store: str
    endpoint: str
    unsent: int
    lost: int
    tries: int
    trouble: str
    again: float | None


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a job as scripts read it. ``ending`` is null while it goes on.

    ``exit_status`` is the program's own (negative: by that signal; null: not known). ``slot`` is the moment a schedule
    meant it for, ``slots`` how many such moments an entry of missed ones stands for; moments are seconds since the
    epoch. ``stopping`` says who asked it to end. ``kept`` tells whether output and files are still on the host,
    ``sending`` how far they are on their way to a store (null where they stay).
    """

    id: int
    project: str
    environment: str
    job: str
    release: str
    trigger: Trigger
    requested_by: str
    created: float
    args: tuple[str, ...]
    size: str | None
    slot: float | None
    slots: int
    stopping: str
    ending: Ending | None
    exit_status: int | None
    reason: str
    finished: float | None
    seconds: float
    outputs: tuple[OutputFile, ...]
    kept: bool
    sending: SendingView | None


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job of what serves: by which schedule it runs, when next, and how its last run ended.

    ``schedule`` is empty for a job that runs by hand only; ``on`` tells whether the environment runs schedules, and
    ``next`` (seconds since the epoch) is null where it does not. ``running`` counts the runs that go on.
    """

    name: str
    schedule: str
    timezone: str
    on: bool
    next: float | None
    running: int
    last: RunView | None


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a job."""

    run: RunView


class RunViews(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of jobs, newest first."""

    runs: tuple[RunView, ...]


class JobOutput(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that a run wrote, secrets masked, and the cursor to go on from; ``run`` is there once that was all."""

    lines: tuple[str, ...]
    cursor: str
    run: RunView | None = None
