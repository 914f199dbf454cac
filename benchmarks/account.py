"""What a run of requests amounts to: sent, lost and why, which release answered when, which writes count."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

FAST = "fast"
WRITE = "write"


class Record(NamedTuple):
    """One request. Times are monotonic seconds of the machine; ``answered`` is when its release was known (0: never).

    ``reason`` is empty for a complete and correct answer, and says otherwise why the request is lost.
    """

    kind: str
    connection: str
    due: float
    start: float
    answered: float
    end: float
    status: int
    release: str
    reason: str
    id: str = ""

    @property
    def lost(self) -> bool:
        return bool(self.reason)


class Mark(NamedTuple):
    """That from ``at`` on (monotonic seconds) somebody is changing to ``release``."""

    at: float
    release: str


def summary(records: Sequence[Record], began: float, marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """Return the figures of a run as JSON-ready data."""
    lost = [record for record in records if record.lost]
    return {
        "sent": len(records),
        "lost": len(lost),
        "seconds": round(max((record.end for record in records), default=began) - began, 3),
        "slowest_fast": _slowest(record for record in records if record.kind == FAST),
        "latest_send": round(max((record.start - record.due for record in records), default=0.0), 4),
        "classes": {kind: _group(records, "kind", kind) for kind in sorted({record.kind for record in records})},
        "connections": {
            kind: _group(records, "connection", kind) for kind in sorted({record.connection for record in records})
        },
        "first_losses": [
            {"kind": record.kind, "at": round(record.start - began, 3), "reason": record.reason} for record in lost[:20]
        ],
        "releases": first_seen(records, began),
        "switches": switches(records, began, marks),
    }


def _group(records: Sequence[Record], field: str, value: str) -> dict[str, Any]:
    ours = [record for record in records if getattr(record, field) == value]
    reasons = Counter(record.reason for record in ours if record.lost)
    return {
        "sent": len(ours),
        "lost": reasons.total(),
        "reasons": dict(reasons.most_common()),
        "slowest": _slowest(ours),
        "median": _median(ours),
    }


def _slowest(records: Iterable[Record]) -> float:
    return round(max((record.end - record.start for record in records if not record.lost), default=0.0), 4)


def _median(records: Iterable[Record]) -> float:
    times = sorted(record.end - record.start for record in records if not record.lost)
    return round(times[len(times) // 2], 4) if times else 0.0


def first_seen(records: Sequence[Record], began: float) -> dict[str, dict[str, Any]]:
    """Return for each release how many answers it gave and when the first of them was seen."""
    seen: dict[str, dict[str, Any]] = {}
    for record in sorted((each for each in records if each.release and each.answered), key=lambda each: each.answered):
        entry = seen.setdefault(
            record.release,
            {"answers": 0, "first": round(record.answered - began, 4), "first_monotonic": record.answered},
        )
        entry["answers"] += 1
    return seen


def switches(records: Sequence[Record], began: float, marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Return one entry a change of release: when the new one was first seen, and what the old one still answered.

    ``old_after`` counts answers of another release to requests that *started* after the first answer of the new one
    (and before the next mark); ``old_after_latest`` is how long after it the latest of them started. Without marks,
    each release but the first one seen is taken for a change that began with the run.
    """
    answers = [record for record in records if record.release and record.answered]
    if not marks:
        marks = [Mark(began, release) for release in list(first_seen(records, began))[1:]]
        ends = [min(each.start for each in answers if each.release == mark.release) for mark in marks[1:]]
    else:
        marks = sorted(marks)
        ends = [mark.at for mark in marks[1:]]
    # The last change has no next one: pairwise, with an end that never comes.
    return [_switch(answers, began, mark, end) for mark, end in zip(marks, [*ends, float("inf")], strict=False)]


def _switch(answers: Sequence[Record], began: float, mark: Mark, until: float) -> dict[str, Any]:
    entry: dict[str, Any] = {"release": mark.release, "asked": round(mark.at - began, 4), "first": None}
    sighted = [each.answered for each in answers if each.release == mark.release and mark.at <= each.start < until]
    if not sighted:
        return entry
    first = min(sighted)
    late = [each.start - first for each in answers if each.release != mark.release and first < each.start < until]
    return entry | {
        "first": round(first - began, 4),
        "first_monotonic": first,
        "seconds": round(first - mark.at, 4),
        "old_after": len(late),
        "old_after_latest": round(max(late, default=0.0), 4),
    }


def writes(records: Iterable[Record]) -> dict[str, Any]:
    """Return the ids of writes that were acknowledged, and of those that were not with the reason."""
    ours = [record for record in records if record.kind == WRITE]
    return {
        "acknowledged": [record.id for record in ours if not record.lost],
        "unacknowledged": {record.id: record.reason for record in ours if record.lost},
    }


def held_against(written: dict[str, Any], found: Iterable[str]) -> dict[str, list[str]]:
    """Hold the writes of a run against the ids that the database has.

    ``missing`` were acknowledged and are not there, ``doubled`` are there more than once, ``unanswered`` are there
    though nobody said so (their requests count as lost, the data is right), ``foreign`` are of no write of this run.
    """
    counts = Counter(found)
    acknowledged, unacknowledged = set(written["acknowledged"]), set(written["unacknowledged"])
    return {
        "missing": sorted(each for each in acknowledged if not counts[each]),
        "doubled": sorted(each for each, times in counts.items() if times > 1),
        "unanswered": sorted(each for each in unacknowledged if counts[each]),
        "foreign": sorted(counts.keys() - acknowledged - unacknowledged),
    }
