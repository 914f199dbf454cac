"""Rollouts with their marks and events: what recovery reads."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from lading.journal.file import text_of
from lading.journal.ledger import Ledger
from lading.model.bill import Envelope
from lading.model.environment import EnvironmentRecord
from lading.model.plan import Plan
from lading.model.rollout import Direction, Event, Mark, Outcome, Rollout
from lading.ports.journal.refusals import already_ended, busy, unknown_rollout

SELECT = "SELECT rollouts.value, plans.value FROM rollouts JOIN plans ON plans.rollout = rollouts.id "


class Rollouts(Ledger):
    """Reads and writes rollouts."""

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
        """Open a rollout under the next number; raise ``busy`` while another of the environment is unfinished."""
        with self._transaction("opening a rollout in") as connection:
            unfinished = "WHERE project = ? AND environment = ? AND outcome IS NULL"
            for holder in self._found(unfinished, project, environment):
                raise busy(kind, holder, at)
            number = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM rollouts").fetchone()[0]
            rollout = Rollout(
                id=number,
                project=project,
                environment=environment,
                kind=kind,
                plan=plan(number),
                requested_by=requested_by,
                created=at,
            )
            connection.execute(
                "INSERT INTO rollouts (id, project, environment, value) VALUES (?, ?, ?, ?)",
                (number, project, environment, _head(rollout)),
            )
            connection.execute("INSERT INTO plans (rollout, value) VALUES (?, ?)", (number, text_of(rollout.plan)))
            return rollout

    def rollout(self, number: int) -> Rollout | None:
        """Return one rollout."""
        return next(iter(self._found("WHERE id = ?", number)), None)

    def rollouts(
        self, project: str | None = None, environment: str | None = None, limit: int = 50
    ) -> Sequence[Rollout]:
        """Return rollouts, newest first."""
        where = "WHERE (? IS NULL OR project = ?) AND (? IS NULL OR environment = ?) ORDER BY id DESC LIMIT ?"
        return self._found(where, project, project, environment, environment, limit)

    def unfinished(self) -> Sequence[Rollout]:
        """Return rollouts without an outcome, oldest first."""
        return self._found("WHERE outcome IS NULL ORDER BY id")

    def mark(self, number: int, mark: Mark, record: EnvironmentRecord | None = None) -> None:
        """Append a mark and, in the same transaction, save the environment's record if one is given."""
        with self._transaction("writing a mark to") as connection:
            self._must_run(number, "a mark")
            connection.execute("INSERT INTO marks (rollout, value) VALUES (?, ?)", (number, text_of(mark)))
            if record is not None:
                self.save_environment(record)

    def marks(self, number: int) -> Sequence[Mark]:
        """Return a rollout's marks in the order they were made."""
        return self._all(Mark, "SELECT value FROM marks WHERE rollout = ? ORDER BY id", number)

    def turn(self, number: int, direction: Direction, error: dict[str, Any] | None) -> None:
        """Set a rollout's direction and what turned it."""
        with self._transaction("turning a rollout in"):
            self._must_run(number, "the turn")
            self._replace(self._known(number), direction=direction, error=error)

    def request_cancel(self, number: int, who: str) -> None:
        """Note that somebody asked the rollout to turn back."""
        with self._transaction("noting a cancel request in"):
            rollout = self._known(number)
            if rollout.outcome is None and not rollout.cancel:
                self._replace(rollout, cancel=who)

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
        """Give a rollout its outcome; save the environment's record and statements in the same transaction."""
        with self._transaction("finishing a rollout in"):
            rollout = self._known(number)
            if rollout.outcome == outcome:
                return
            if rollout.outcome is not None:
                raise already_ended(rollout, "the end", outcome)
            changes = {"error": error, "lost_requests": lost_requests, "requests": requests}
            self._replace(rollout, outcome=outcome, finished=at, **changes)
            if record is not None:
                self.save_environment(record)
            for digest, envelope in statements:
                self.add_statement(digest, envelope)

    # events
    def append_event(self, event: Event) -> Event:
        """Append an event and return it with its ``seq`` set."""
        with self._transaction("writing an event to") as connection:
            row = connection.execute("SELECT last_seq + 1 FROM rollouts WHERE id = ?", (event.rollout,)).fetchone()
            if row is None:
                raise unknown_rollout(event.rollout)
            numbered = msgspec.structs.replace(event, seq=row[0])
            connection.execute("UPDATE rollouts SET last_seq = ? WHERE id = ?", (row[0], event.rollout))
            connection.execute(
                "INSERT INTO events (rollout, seq, value) VALUES (?, ?, ?)",
                (event.rollout, row[0], text_of(numbered)),
            )
            return numbered

    def events(self, number: int, after: int = 0) -> Sequence[Event]:
        """Return a rollout's events with ``seq`` above ``after``."""
        sql = "SELECT value FROM events WHERE rollout = ? AND seq > ? ORDER BY seq"
        return self._all(Event, sql, number, after)

    def _found(self, where: str, *values: Any) -> list[Rollout]:
        # One decode of both texts as the one object they were split from.
        rows = self._rows(SELECT + where, *values)
        return [self._decoded(Rollout, f'{head[:-1]},"plan":{plan}}}') for head, plan in rows]

    def _known(self, number: int) -> Rollout:
        rollout = self.rollout(number)
        if rollout is None:
            raise unknown_rollout(number)
        return rollout

    def _must_run(self, number: int, doing: str) -> None:
        # Looks at one column: a mark should not pay for reading the plan.
        if self._rows("SELECT 1 FROM rollouts WHERE id = ? AND outcome IS NULL", number):
            return
        raise already_ended(self._known(number), doing)

    def _replace(self, rollout: Rollout, **changes: Any) -> None:
        changed = msgspec.structs.replace(rollout, **changes)
        with self._transaction("changing a rollout in") as connection:
            connection.execute(
                "UPDATE rollouts SET outcome = ?, value = ? WHERE id = ?",
                (changed.outcome, _head(changed), rollout.id),
            )


def _head(rollout: Rollout) -> str:
    """Return the JSON of a rollout without its plan."""
    fields = msgspec.structs.asdict(rollout)
    del fields["plan"]
    return text_of(fields)
