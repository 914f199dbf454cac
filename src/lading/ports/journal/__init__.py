"""What happened, durably: the one thing recovery may believe."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from lading.model.bill import Envelope, Policy, TrustedKey
from lading.model.environment import EnvironmentRecord, Maintenance
from lading.model.jobs import JobRun, Schedule
from lading.model.plan import Plan
from lading.model.release import Release
from lading.model.rollout import Direction, Event, Mark, Outcome, Rollout


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """One act of a person that changed what the agent believes or allows."""

    at: float
    who: str
    act: str
    reason: str = ""
    data: dict[str, Any] = {}


class Journal(Protocol):
    """Releases, environments, rollouts, marks, events, bills, trust and policy.

    Each writing method is one transaction, on disk when it returns: all of it or nothing. Methods may be called from
    several threads. A number that names no rollout raises ``unknown-rollout``; a full disk raises ``no-space``, after
    which the journal stays usable.
    """

    # releases
    def add_release(self, release: Release) -> Release:
        """Record a release. The same version with the same digest returns what stands; with another digest raise
        ``version-taken``.
        """
        ...

    def release(self, project: str, version: str) -> Release | None:
        """Return a release by version."""
        ...

    def releases(self, project: str | None = None) -> Sequence[Release]:
        """Return releases, newest first."""
        ...

    # environments
    def environment(self, project: str, name: str) -> EnvironmentRecord | None:
        """Return an environment's record."""
        ...

    def environments(self) -> Sequence[EnvironmentRecord]:
        """Return all environments by project and name."""
        ...

    def save_environment(self, record: EnvironmentRecord) -> None:
        """Insert or replace an environment's record."""
        ...

    # rollouts
    def begin(
        self,
        *,
        project: str,
        environment: str,
        kind: str,
        requested_by: str,
        at: float,
        plan: Callable[[int], Plan],
    ) -> Rollout:
        """Open a rollout under the next number, with the plan that ``plan(number)`` gives, in one transaction.

        Raise ``busy`` (saying who, since when, doing what) while another rollout of the environment is unfinished.
        """
        ...

    def rollout(self, number: int) -> Rollout | None:
        """Return one rollout."""
        ...

    def rollouts(
        self, project: str | None = None, environment: str | None = None, limit: int = 50
    ) -> Sequence[Rollout]:
        """Return rollouts, newest first."""
        ...

    def unfinished(self) -> Sequence[Rollout]:
        """Return rollouts without an outcome, oldest first."""
        ...

    def mark(self, number: int, mark: Mark, record: EnvironmentRecord | None = None) -> None:
        """Append a mark and, in the same transaction, save the environment's record if one is given.

        Raise ``unexpected`` when the rollout has its outcome: the environment is no longer its to change.
        """
        ...

    def marks(self, number: int) -> Sequence[Mark]:
        """Return a rollout's marks in the order they were made."""
        ...

    def turn(self, number: int, direction: Direction, error: dict[str, Any] | None) -> None:
        """Set a rollout's direction and what turned it. Raise ``unexpected`` when the rollout has its outcome."""
        ...

    def request_cancel(self, number: int, who: str) -> None:
        """Note that somebody asked the rollout to turn back; the first who asked is kept, and once it has its outcome
        nothing is noted.
        """
        ...

    def finish(
        self,
        number: int,
        outcome: Outcome,
        *,
        at: float,
        error: dict[str, Any] | None,
        lost_requests: int,
        requests: int,
        record: EnvironmentRecord | None,
        statements: Sequence[tuple[str, Envelope]] = (),
    ) -> None:
        """Give a rollout its outcome and save, in the same transaction, the environment's record and statements
        (digest, envelope). The environment is free from then on. Finishing it again with the same outcome does nothing,
        with another raises ``unexpected``.
        """
        ...

    # events
    def append_event(self, event: Event) -> Event:
        """Append an event and return it with its ``seq`` set; events may follow a rollout's outcome."""
        ...

    def events(self, number: int, after: int = 0) -> Sequence[Event]:
        """Return a rollout's events with ``seq`` above ``after``."""
        ...

    # runs of jobs
    def open_run(self, make: Callable[[int], JobRun], schedule: Schedule | None = None) -> JobRun:
        """Open a run under the next number, as ``make(number)`` gives it, and in the same transaction note how far its
        schedule is carried out. A slot of a job has one run: when it has one already, that is returned.
        """
        ...

    def change_run(self, number: int, change: Callable[[JobRun], JobRun]) -> JobRun:
        """Replace a run by what ``change`` makes of it as it stands, in one transaction, and return that.

        Raise ``unknown-run``, and ``unexpected`` when a run that has ended would end otherwise.
        """
        ...

    def run(self, number: int) -> JobRun | None:
        """Return one run of a job."""
        ...

    def runs(
        self, project: str | None = None, environment: str | None = None, job: str | None = None, limit: int = 50
    ) -> Sequence[JobRun]:
        """Return runs of jobs, newest first."""
        ...

    def unfinished_runs(self) -> Sequence[JobRun]:
        """Return runs that have not ended, oldest first."""
        ...

    def unsent_runs(self) -> Sequence[JobRun]:
        """Return runs that have ended and whose files are still to be sent to a store, oldest first."""
        ...

    def schedules(self) -> Sequence[Schedule]:
        """Return how far each schedule was carried out, by project, environment and job."""
        ...

    def save_schedule(self, schedule: Schedule) -> None:
        """Insert or replace how far a job's schedule was carried out."""
        ...

    def end_schedule(self, project: str, environment: str, job: str) -> None:
        """Forget a job's schedule; idempotent."""
        ...

    # bills
    def add_statement(self, digest: str, envelope: Envelope) -> None:
        """Keep a signed statement about a release's digest; the same envelope is kept once."""
        ...

    def statements(self, digest: str) -> Sequence[Envelope]:
        """Return the statements about a digest, oldest first."""
        ...

    # trust, policy, audit
    def trust(self, key: TrustedKey) -> None:
        """Believe a key (or replace what is known of it)."""
        ...

    def distrust(self, fingerprint: str) -> None:
        """Stop believing a key; idempotent."""
        ...

    def trusted(self) -> Sequence[TrustedKey]:
        """Return the keys that are believed."""
        ...

    def policy(self, project: str, environment: str) -> Policy | None:
        """Return the policy an admin set for an environment, None when the default of its tier holds."""
        ...

    def set_policy(self, project: str, environment: str, policy: Policy, audit: Audit) -> None:
        """Set an environment's policy together with its audit entry."""
        ...

    def maintenance(self, project: str, environment: str) -> Maintenance | None:
        """Return the maintenance an environment is under, None when it is under none."""
        ...

    def set_maintenance(self, project: str, environment: str, wanted: Maintenance | None, audit: Audit) -> None:
        """Put an environment under maintenance, or (None) end it, together with its audit entry."""
        ...

    def audit(self, entry: Audit) -> None:
        """Append an audit entry."""
        ...

    def audits(self, limit: int = 100, environment: str = "") -> Sequence[Audit]:
        """Return audit entries, newest first; those of one environment where its key (``shop/stage``) is given."""
        ...

    # challenges of promotions
    def add_nonce(self, nonce: str, expires: float) -> None:
        """Remember a nonce that was given out."""
        ...

    def take_nonce(self, nonce: str, now: float) -> bool:
        """Use a nonce up: True once, False when unknown, used before, or expired (``now`` is after ``expires``)."""
        ...
