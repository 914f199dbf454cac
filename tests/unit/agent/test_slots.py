"""The moments of a schedule, also where clocks are changed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from lading.agent.slots import MOST, due, next_slot

BERLIN = "Europe/Berlin"


def at(text: str, timezone: str = BERLIN, *, fold: int = 0) -> float:
    """Return a local time as seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone), fold=fold).timestamp()


def slots(line: str, timezone: str, after: float, until: float) -> list[float]:
    found = []
    slot = next_slot(line, timezone, after)
    while slot is not None and slot <= until:
        found.append(slot)
        slot = next_slot(line, timezone, slot)
    return found


def test_a_schedule_means_local_time() -> None:
    """Three at night is three at night where the time zone says, in winter and in summer."""
    assert next_slot("0 3 * * *", "UTC", at("2026-01-10T12:00", "UTC")) == at("2026-01-11T03:00", "UTC")
    assert next_slot("0 3 * * *", BERLIN, at("2026-01-10T12:00")) == at("2026-01-11T02:00", "UTC")
    assert next_slot("0 3 * * *", BERLIN, at("2026-07-10T12:00")) == at("2026-07-11T01:00", "UTC")


@pytest.mark.parametrize("word", ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "0 0 * * 7", "5 4 29 feb *"])
def test_every_line_that_a_manifest_may_have_is_understood(word: str) -> None:
    """Words and names have a next moment, and the moments after it."""
    first = next_slot(word, BERLIN, at("2026-03-28T12:00"))
    assert first is not None
    second = next_slot(word, BERLIN, first)
    assert second is not None
    assert second > first


def test_a_skipped_moment_comes_right_after_the_gap() -> None:
    """On the day when two becomes three, what was meant for half past two runs at three, once."""
    assert slots("30 2 * * *", BERLIN, at("2026-03-28T12:00"), at("2026-03-30T12:00")) == [
        at("2026-03-29T03:00"),
        at("2026-03-30T02:30"),
    ]
    # Both of these are three o'clock on that day.
    assert slots("0 2,3 * * *", BERLIN, at("2026-03-29T00:00"), at("2026-03-29T12:00")) == [at("2026-03-29T03:00")]


def test_a_moment_that_comes_twice_is_meant_once() -> None:
    """On the day when three becomes two again, half past two is run the first time it comes, and not again."""
    first = at("2026-10-25T02:30")
    assert slots("30 2 * * *", BERLIN, at("2026-10-25T00:00"), at("2026-10-25T12:00")) == [first]
    between = at("2026-10-25T02:10", fold=1)
    assert between > first
    assert next_slot("30 2 * * *", BERLIN, between) == at("2026-10-26T02:30")


def test_what_runs_every_hour_follows_time_itself() -> None:
    """Every quarter of an hour is every quarter of an hour, whatever the clock on the wall is set to."""
    for day in ("2026-03-29", "2026-10-25"):
        begin = at(f"{day}T00:00")
        found = slots("*/15 * * * *", BERLIN, begin, begin + 8 * 3600)
        assert found == [begin + 900 * number for number in range(1, 33)]


def test_what_is_due_is_counted() -> None:
    """Moments after one and up to another, this included; none is none."""
    begin = at("2026-01-10T00:00", "UTC")
    assert (due("@hourly", "UTC", begin, begin + 7200).count, due("@hourly", "UTC", begin, begin + 7200).last) == (
        2,
        begin + 7200,
    )
    nothing = due("@hourly", "UTC", begin, begin + 3599)
    assert (nothing.count, nothing.last) == (0, None)


def test_years_without_an_agent_are_counted_quickly() -> None:
    """However many moments were missed, the last one is found without walking through all of them."""
    begin = at("2020-01-01T00:00", "UTC")
    found = due("* * * * *", BERLIN, begin, at("2026-01-01T00:00:30", "UTC"))
    assert (found.count, found.last) == (MOST, at("2026-01-01T00:00", "UTC"))
