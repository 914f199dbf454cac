"""The moments that a cron line in a time zone means, as seconds since the epoch.

As cron does it where clocks are changed: a moment that is skipped in spring comes right after the gap, one that comes
twice in autumn is meant once; lines with ``*`` for minute or hour follow the passing of time itself.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import msgspec
from cronsim import CronSim

WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
MOST = 1000  # moments that are counted one by one; more than so many missed ones are not told apart


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """Moments that have come: how many (``MOST`` at most) and the last of them (None: none has come)."""

    count: int
    last: float | None


def next_slot(line: str, timezone: str, after: float) -> float | None:
    """Return the first moment after another; None when there is none within fifty years."""
    return next(_slots(line, timezone, after), None)


def due(line: str, timezone: str, after: float, until: float) -> Due:
    """Return the moments after one and up to another, this included."""
    found: list[float] = []
    for slot in islice(_slots(line, timezone, after), MOST):
        if slot > until:
            return Due(count=len(found), last=found[-1] if found else None)
        found.append(slot)
    # The clock leapt far, or nobody was there for long: the last one is looked for from the other end.
    back = CronSim(WORDS.get(line, line), _local(until + 1.0, timezone), reverse=True)
    last = next(
        (slot for slot in (moment.timestamp() for moment in back) if slot <= until), found[-1] if found else None
    )
    return Due(count=len(found), last=last)


def _slots(line: str, timezone: str, after: float) -> Iterator[float]:
    before = after
    for moment in CronSim(WORDS.get(line, line), _local(after, timezone)):
        slot = moment.timestamp()
        # Around a change of the clocks a local time can stand for a moment that has passed, or for the same one twice.
        if slot > before:
            before = slot
            yield slot


def _local(moment: float, timezone: str) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(UTC if timezone == "UTC" else ZoneInfo(timezone))
