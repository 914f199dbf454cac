"""A journal in memory: for tests of everything that rests on a journal."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from lading.model.bill import Envelope, Policy, TrustedKey
from lading.model.environment import EnvironmentRecord, Maintenance
from lading.model.plan import Plan
from lading.model.release import Release
from lading.model.rollout import Direction, Event, Mark, Outcome, Rollout
from lading.ports.journal import Audit
from lading.ports.journal.memory_jobs import MemoryJobs, stored
from lading.ports.journal.refusals import already_ended, busy, unknown_rollout, version_taken


class MemoryJournal(MemoryJobs):
    """Keeps everything in dicts behind one lock; it lives as long as the object, not as the engine that uses it."""

    def __init__(self) -> None:
        # Re-entrant, because the plan is made inside the transaction of begin and may read the journal.
        super().__init__(threading.RLock())
        self._releases: dict[tuple[str, str], Release] = {}
        self._environments: dict[tuple[str, str], EnvironmentRecord] = {}
        self._rollouts: dict[int, Rollout] = {}
        self._marks: dict[int, list[Mark]] = {}
        self._events: dict[int, list[Event]] = {}
        self._statements: dict[str, list[Envelope]] = {}
        self._trusted: dict[str, TrustedKey] = {}
        self._policies: dict[tuple[str, str], Policy] = {}
        self._maintenance: dict[tuple[str, str], Maintenance] = {}
        self._audits: list[Audit] = []
        self._nonces: dict[str, float] = {}

    # releases
    def add_release(self, release: Release) -> Release:
        """Record a release."""
        with self._lock:
            known = self._releases.get((release.project, release.version))
            if known is not None and known.digest != release.digest:
                raise version_taken(known, release)
            return self._releases.setdefault((release.project, release.version), stored(release))

    def release(self, project: str, version: str) -> Release | None:
        """Return a release by version."""
        with self._lock:
            return self._releases.get((project, version))

    def releases(self, project: str | None = None) -> Sequence[Release]:
        """Return releases, newest first."""
        with self._lock:
            return [r for r in reversed(self._releases.values()) if project in (None, r.project)]

    # environments
    def environment(self, project: str, name: str) -> EnvironmentRecord | None:
        """Return an environment's record."""
        with self._lock:
            return self._environments.get((project, name))

    def environments(self) -> Sequence[EnvironmentRecord]:
        """Return all environments by project and name."""
        with self._lock:
            return [record for _, record in sorted(self._environments.items(), key=lambda item: item[0])]

    def save_environment(self, record: EnvironmentRecord) -> None:
        """Insert or replace an environment's record."""
        with self._lock:
            self._environments[record.project, record.name] = stored(record)

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
        """Open a rollout under the next number."""
        with self._lock:
            for holder in self.unfinished():
                if (holder.project, holder.environment) == (project, environment):
                    raise busy(kind, holder, at)
            number = max(self._rollouts, default=0) + 1
            rollout = Rollout(
                id=number,
                project=project,
                environment=environment,
                kind=kind,
                plan=plan(number),
                requested_by=requested_by,
                created=at,
            )
            self._rollouts[number] = stored(rollout)
            return self._rollouts[number]

    def rollout(self, number: int) -> Rollout | None:
        """Return one rollout."""
        with self._lock:
            return self._rollouts.get(number)

    def rollouts(
        self, project: str | None = None, environment: str | None = None, limit: int = 50
    ) -> Sequence[Rollout]:
        """Return rollouts, newest first."""
        with self._lock:
            found = [
                rollout
                for rollout in reversed(self._rollouts.values())
                if project in (None, rollout.project) and environment in (None, rollout.environment)
            ]
            return found[:limit]

    def unfinished(self) -> Sequence[Rollout]:
        """Return rollouts without an outcome, oldest first."""
        with self._lock:
            return [rollout for rollout in self._rollouts.values() if rollout.outcome is None]

    def mark(self, number: int, mark: Mark, record: EnvironmentRecord | None = None) -> None:
        """Append a mark and save the environment's record if one is given."""
        with self._lock:
            self._running(number, "a mark")
            kept = stored(mark)
            if record is not None:
                self.save_environment(record)
            self._marks.setdefault(number, []).append(kept)

    def marks(self, number: int) -> Sequence[Mark]:
        """Return a rollout's marks in the order they were made."""
        with self._lock:
            return list(self._marks.get(number, ()))

    def turn(self, number: int, direction: Direction, error: dict[str, Any] | None) -> None:
        """Set a rollout's direction and what turned it."""
        with self._lock:
            rollout = self._running(number, "the turn")
            self._rollouts[number] = stored(msgspec.structs.replace(rollout, direction=direction, error=error))

    def request_cancel(self, number: int, who: str) -> None:
        """Note that somebody asked the rollout to turn back."""
        with self._lock:
            rollout = self._known(number)
            if rollout.outcome is None and not rollout.cancel:
                self._rollouts[number] = msgspec.structs.replace(rollout, cancel=who)

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
        """Give a rollout its outcome and save the environment's record and statements."""
        with self._lock:
            rollout = self._known(number)
            if rollout.outcome == outcome:
                return
            if rollout.outcome is not None:
                raise already_ended(rollout, "the end", outcome)
            finished = msgspec.structs.replace(
                rollout,
                outcome=outcome,
                finished=at,
                error=error,
                lost_requests=lost_requests,
                requests=requests,
            )
            # Everything is encoded before anything is kept, so that what cannot be written leaves nothing behind.
            kept, bill = stored(finished), [(digest, stored(envelope)) for digest, envelope in statements]
            if record is not None:
                self.save_environment(record)
            self._rollouts[number] = kept
            for digest, envelope in bill:
                self.add_statement(digest, envelope)

    def _known(self, number: int) -> Rollout:
        rollout = self._rollouts.get(number)
        if rollout is None:
            raise unknown_rollout(number)
        return rollout

    def _running(self, number: int, doing: str) -> Rollout:
        rollout = self._known(number)
        if rollout.outcome is not None:
            raise already_ended(rollout, doing)
        return rollout

    # events
    def append_event(self, event: Event) -> Event:
        """Append an event and return it with its ``seq`` set."""
        with self._lock:
            self._known(event.rollout)
            story = self._events.setdefault(event.rollout, [])
            story.append(stored(msgspec.structs.replace(event, seq=len(story) + 1)))
            return story[-1]

    def events(self, number: int, after: int = 0) -> Sequence[Event]:
        """Return a rollout's events with ``seq`` above ``after``."""
        with self._lock:
            return [event for event in self._events.get(number, ()) if event.seq > after]

    # bills
    def add_statement(self, digest: str, envelope: Envelope) -> None:
        """Keep a signed statement about a release's digest; the same envelope is kept once."""
        with self._lock:
            known = self._statements.setdefault(digest, [])
            if envelope not in known:
                known.append(stored(envelope))

    def statements(self, digest: str) -> Sequence[Envelope]:
        """Return the statements about a digest, oldest first."""
        with self._lock:
            return list(self._statements.get(digest, ()))

    # trust, policy, audit
    def trust(self, key: TrustedKey) -> None:
        """Believe a key (or replace what is known of it)."""
        with self._lock:
            self._trusted[key.fingerprint] = stored(key)

    def distrust(self, fingerprint: str) -> None:
        """Stop believing a key; idempotent."""
        with self._lock:
            self._trusted.pop(fingerprint, None)

    def trusted(self) -> Sequence[TrustedKey]:
        """Return the keys that are believed."""
        with self._lock:
            return [self._trusted[fingerprint] for fingerprint in sorted(self._trusted)]

    def policy(self, project: str, environment: str) -> Policy | None:
        """Return the policy an admin set for an environment."""
        with self._lock:
            return self._policies.get((project, environment))

    def set_policy(self, project: str, environment: str, policy: Policy, audit: Audit) -> None:
        """Set an environment's policy together with its audit entry."""
        with self._lock:
            kept, entry = stored(policy), stored(audit)
            self._policies[project, environment] = kept
            self._audits.append(entry)

    def maintenance(self, project: str, environment: str) -> Maintenance | None:
        """Return the maintenance an environment is under."""
        with self._lock:
            return self._maintenance.get((project, environment))

    def set_maintenance(self, project: str, environment: str, wanted: Maintenance | None, audit: Audit) -> None:
        """Put an environment under maintenance, or end it, together with its audit entry."""
        with self._lock:
            kept, entry = stored(wanted) if wanted is not None else None, stored(audit)
            if kept is not None:
                self._maintenance[project, environment] = kept
            else:
                self._maintenance.pop((project, environment), None)
            self._audits.append(entry)

    def audit(self, entry: Audit) -> None:
        """Append an audit entry."""
        with self._lock:
            self._audits.append(stored(entry))

    def audits(self, limit: int = 100, environment: str = "") -> Sequence[Audit]:
        """Return audit entries, newest first; those of one environment where its key is given."""
        with self._lock:
            wanted = [one for one in self._audits if not environment or one.data.get("environment") == environment]
            return wanted[::-1][:limit]

    # challenges of promotions
    def add_nonce(self, nonce: str, expires: float) -> None:
        """Remember a nonce that was given out."""
        with self._lock:
            self._nonces[nonce] = expires

    def take_nonce(self, nonce: str, now: float) -> bool:
        """Use a nonce up: True once, False when unknown, expired or used before."""
        with self._lock:
            return self._nonces.pop(nonce, float("-inf")) >= now
