"""What every Journal must keep about rollouts, marks and events."""

from collections.abc import Callable
from typing import Any

import msgspec

from lading.model.errors import LadingError
from lading.model.rollout import Event, Rollout
from lading.ports.journal import Journal
from lading.ports.journal.samples import envelope, plan, record
from lading.ports.journal.trials import AT, UNWRITABLE, at_once, begin, finish, mark, refusal, unwritable


class RolloutConformance:
    """The promises about rollouts, marks and events."""

    def again(self, journal: Journal) -> Journal:
        """Return the journal as a later agent opens it; an adapter with a file closes and reopens it here."""
        return journal

    def test_a_rollout_is_opened_with_its_plan(self, journal: Journal) -> None:
        """The plan is made for the rollout's number and kept with every step as it stands."""
        rollout = begin(journal)
        assert (rollout.id, rollout.outcome, rollout.direction, rollout.created) == (1, None, "forward", AT)
        assert rollout.plan == plan(1)
        journal = self.again(journal)
        assert journal.rollout(1) == rollout
        assert journal.unfinished() == [rollout]
        assert journal.rollout(2) is None

    def test_numbers_count_over_all_environments(self, journal: Journal) -> None:
        """A number names one rollout of the whole agent, and numbers are never used again."""
        assert [begin(journal, name).id for name in ("local", "stage", "production")] == [1, 2, 3]
        finish(journal, 3)
        assert begin(self.again(journal), "production").id == 4

    def test_a_busy_environment_says_who_holds_it(self, journal: Journal) -> None:
        """A second rollout is refused: who, since when, doing what to which release; other environments are free."""
        begin(journal, at=1_700_000_000.0)
        error = refusal(lambda: begin(journal, at=1_700_000_042.0))
        assert (error.code, error.exit_status) == ("busy", 6)
        for part in ("anna", "2023-11-14 22:13:20 UTC", "42 s ago", "deploy", "v1.0.0", "rollout 1", "cashback/stage"):
            assert part in str(error), f"{part} is missing in: {error}"
        assert begin(journal, "production").id == 2
        assert begin(journal, project="shop").id == 3

    def test_a_clock_set_back_gives_no_negative_age(self, journal: Journal) -> None:
        """A holder from the future is named without an age that cannot be true."""
        begin(journal, at=AT)
        assert "ago" not in str(refusal(lambda: begin(journal, at=AT - 3600)))

    def test_one_of_many_wins(self, journal: Journal) -> None:
        """Of several threads that open a rollout of one environment at once, exactly one does; the others are busy."""
        for _ in range(5):
            results = at_once(4, lambda _: begin(journal))
            won = [result for result in results if isinstance(result, Rollout)]
            assert len(won) == 1
            assert [r.code for r in results if isinstance(r, LadingError)] == ["busy"] * 3
            finish(journal, won[0].id)

    def test_environments_begin_side_by_side(self, journal: Journal) -> None:
        """Rollouts of different environments opened at once all get a number of their own."""
        results = at_once(6, lambda index: begin(journal, f"e{index}").id)
        assert sorted(map(str, results)) == ["1", "2", "3", "4", "5", "6"]

    def test_a_plan_that_fails_opens_nothing(self, journal: Journal) -> None:
        """When no plan can be made, no rollout is opened and the environment stays free."""

        def refuse(_: int) -> Any:
            raise LadingError("preflight", happened="no", now="nothing was touched", hint="look")

        given: dict[str, Any] = {"project": "cashback", "environment": "stage", "kind": "deploy"}
        error = refusal(lambda: journal.begin(**given, requested_by="anna", at=AT, plan=refuse))
        assert error.code == "preflight"
        assert journal.rollouts() == []
        assert begin(journal).id == 1

    def test_a_plan_may_read_the_journal(self, journal: Journal) -> None:
        """The plan is made inside the transaction, so what it reads cannot change before the rollout is open."""
        journal.save_environment(record())
        seen = []

        def look(number: int) -> Any:
            seen.append(journal.environment("cashback", "stage"))
            return plan(number)

        journal.begin(project="cashback", environment="stage", kind="deploy", requested_by="a", at=AT, plan=look)
        assert seen == [record()]

    def test_rollouts_are_listed_newest_first(self, journal: Journal) -> None:
        """Rollouts are listed by number, filtered by project and environment, at most ``limit``."""
        for name, project in (("stage", "cashback"), ("local", "cashback"), ("stage", "shop")):
            finish(journal, begin(journal, name, project=project).id)
        begin(journal)
        assert [r.id for r in journal.rollouts()] == [4, 3, 2, 1]
        assert [r.id for r in journal.rollouts("cashback")] == [4, 2, 1]
        assert [r.id for r in journal.rollouts("cashback", "stage")] == [4, 1]
        assert [r.id for r in journal.rollouts(environment="stage")] == [4, 3, 1]
        assert [r.id for r in journal.rollouts(limit=2)] == [4, 3]

    def test_unfinished_rollouts_are_listed_oldest_first(self, journal: Journal) -> None:
        """Recovery takes up what was begun first."""
        for name in ("stage", "local", "production"):
            begin(journal, name)
        finish(journal, 2)
        assert [r.id for r in self.again(journal).unfinished()] == [1, 3]

    def test_marks_stay_in_order(self, journal: Journal) -> None:
        """Marks come back as they were made, in the order they were made, whatever the clock said."""
        begin(journal)
        made = [
            mark(0),
            mark(0, phase="outcome", at=AT - 100, seconds=0.25, result={"a": [1, "ü", None, {"b": True}]}),
            mark(1),
            mark(1, phase="failed", direction="unwinding"),
        ]
        for each in made:
            journal.mark(1, each)
        journal = self.again(journal)
        assert journal.marks(1) == made
        assert journal.marks(99) == []

    def test_a_mark_and_its_record_are_one(self, journal: Journal) -> None:
        """A mark is written together with the environment's record, or neither is."""
        begin(journal)
        journal.mark(1, mark(0), record())
        worse = msgspec.structs.replace(record(), port=1, alert=UNWRITABLE)
        unwritable(lambda: journal.mark(1, mark(1), worse))
        unwritable(
            lambda: journal.mark(1, mark(1, result={"x": UNWRITABLE}), msgspec.structs.replace(record(), port=2))
        )
        assert journal.marks(1) == [mark(0)]
        assert journal.environment("cashback", "stage") == record()

    def test_a_turn_is_a_fact(self, journal: Journal) -> None:
        """Direction and reason of a rollout are kept, and so is everything else of it."""
        rollout = begin(journal)
        why = {"code": "ready-failed", "happened": "503", "details": ["a"]}
        journal.turn(1, "unwinding", why)
        assert self.again(journal).rollout(1) == msgspec.structs.replace(rollout, direction="unwinding", error=why)

    def test_the_first_who_cancels_is_kept(self, journal: Journal) -> None:
        """A request to cancel is noted once, and not on a rollout that has ended."""
        begin(journal)
        journal.request_cancel(1, "ben")
        journal.request_cancel(1, "carl")
        assert [r.cancel for r in journal.unfinished()] == ["ben"]
        finish(journal, 1)
        finish(journal, begin(journal).id)
        journal.request_cancel(2, "ben")
        assert [r.cancel for r in journal.rollouts()] == ["", "ben"]

    def test_the_end_is_one_fact(self, journal: Journal) -> None:
        """Outcome, counts, error, the environment's record and statements are written together; then it is free."""
        rollout = begin(journal)
        given: dict[str, Any] = {"lost_requests": 1, "requests": 900, "record": record()}
        journal.turn(1, "unwinding", {"code": "no-space"})
        bill = [("sha256:one", envelope()), ("sha256:two", envelope())]
        finish(journal, 1, "unwound", error={"code": "step-failed"}, statements=bill, **given)
        journal = self.again(journal)
        assert journal.rollout(1) == msgspec.structs.replace(
            rollout,
            direction="unwinding",
            outcome="unwound",
            finished=AT + 60,
            error={"code": "step-failed"},
            lost_requests=1,
            requests=900,
        )
        assert journal.environment("cashback", "stage") == record()
        assert journal.statements("sha256:two") == [envelope()]
        assert journal.unfinished() == []
        assert begin(journal).id == 2

    def test_an_end_that_cannot_be_written_is_no_end(self, journal: Journal) -> None:
        """When one part of the end cannot be written, none of it is and the rollout goes on."""
        begin(journal)
        bad = msgspec.structs.replace(record(), alert=UNWRITABLE)
        unwritable(lambda: finish(journal, 1, record=bad))
        unwritable(lambda: finish(journal, 1, record=record(), statements=[("sha256:one", UNWRITABLE)]))
        assert [r.id for r in journal.unfinished()] == [1]
        assert journal.environment("cashback", "stage") is None

    def test_ending_twice_changes_nothing(self, journal: Journal) -> None:
        """The same outcome again does nothing; another one is refused."""
        begin(journal)
        finish(journal, 1, requests=5)
        finish(journal, 1, requests=6, record=record(), statements=[("sha256:one", envelope())])
        error = refusal(lambda: finish(journal, 1, "unwound"))
        assert (error.code, "succeeded" in str(error)) == ("unexpected", True)
        assert [(r.outcome, r.requests) for r in journal.rollouts()] == [("succeeded", 5)]
        assert journal.environment("cashback", "stage") is None
        assert journal.statements("sha256:one") == []

    def test_an_ended_rollout_moves_its_environment_no_more(self, journal: Journal) -> None:
        """A stray writer cannot mark or turn a rollout that has its outcome, nor change the record through it."""
        begin(journal)
        finish(journal, 1)
        assert refusal(lambda: journal.mark(1, mark(0), record())).code == "unexpected"
        assert refusal(lambda: journal.turn(1, "unwinding", None)).code == "unexpected"
        assert journal.marks(1) == []
        assert journal.environment("cashback", "stage") is None

    def test_an_unknown_rollout_is_refused(self, journal: Journal) -> None:
        """No number that was never given takes a mark, a turn, an end or an event."""
        acts: list[Callable[[], object]] = [
            lambda: journal.mark(9, mark(0)),
            lambda: journal.turn(9, "unwinding", None),
            lambda: journal.request_cancel(9, "ben"),
            lambda: finish(journal, 9),
            lambda: journal.append_event(Event(rollout=9, seq=0, at=AT, kind="plan")),
        ]
        assert [refusal(act).code for act in acts] == ["unknown-rollout"] * 5
        assert journal.events(9) == []

    def test_events_count_from_one_in_each_rollout(self, journal: Journal) -> None:
        """Events get the next number of their rollout, and can be read from any number on, also after the end."""
        begin(journal)
        begin(journal, "local")
        told = [Event(rollout=1, seq=0, at=AT, kind=kind, step=3, data={"n": 1}) for kind in ("plan", "step", "done")]
        assert [journal.append_event(event).seq for event in told] == [1, 2, 3]
        assert journal.append_event(Event(rollout=2, seq=0, at=AT, kind="plan")).seq == 1
        finish(journal, 1)
        journal = self.again(journal)
        assert journal.append_event(Event(rollout=1, seq=0, at=AT, kind="finished", seconds=1.5)).seq == 4
        assert [event.kind for event in journal.events(1)] == ["plan", "step", "done", "finished"]
        assert journal.events(1)[0] == msgspec.structs.replace(told[0], seq=1)
        assert [event.seq for event in journal.events(1, after=2)] == [3, 4]
        assert journal.events(1, after=4) == []

    def test_no_event_is_lost_or_doubled(self, journal: Journal) -> None:
        """Events appended by several threads at once are numbered without gap or double."""
        begin(journal)

        def tell(index: int) -> None:
            for step in range(10):
                journal.append_event(Event(rollout=1, seq=0, at=AT, kind="progress", step=step, name=str(index)))

        at_once(4, tell)
        events = journal.events(1)
        assert [event.seq for event in events] == list(range(1, 41))
        assert sorted((e.name, e.step or 0) for e in events) == [(str(i), s) for i in range(4) for s in range(10)]
