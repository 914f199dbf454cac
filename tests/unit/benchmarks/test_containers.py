"""What the campaigns with containers make of what they measured, and the program that they deploy."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from benchmarks import containers, five_projects, till_house
from benchmarks.containers import Turn, Verdict

STEPS = {"start": 0.4, "ready": 1.0}


def found(taken: list[Turn], verdicts: list[Verdict]) -> dict[str, Any]:
    return {figure.figure: figure for figure in containers.figures(taken, verdicts)}


def test_a_deploy_is_held_against_the_floor_of_its_own_run() -> None:
    """Both the difference and the ratio of the medians have a bar, and the turns of others are told."""
    turns = [Turn(1.5, 1.9, 0.3, STEPS), Turn(1.6, 2.0, 0.4, STEPS, calm=False), Turn(1.4, 2.9, 0.2, STEPS)]
    figures = found(turns, [Verdict(31.5, 4, "unwound")])
    assert (figures["containers: deploy minus floor"].value, figures["containers: deploy minus floor"].holds) == (
        pytest.approx(0.5),
        True,
    )
    assert not figures["containers: deploy ÷ floor"].holds
    assert figures["of a deploy of containers: start"].value == pytest.approx(0.4)
    assert figures["containers: turns in which others worked on the machine"].value == 1


def test_a_bad_release_must_be_refused_in_time_and_by_its_status() -> None:
    """Each verdict counts that ended as unwound with status 4; the time is a share of the deadline."""
    figures = found([Turn(1.5, 1.9, 0.3, STEPS)], [Verdict(31.5, 4, "unwound"), Verdict(32.0, 0, "succeeded")])
    assert figures["containers: a bad release, time to the verdict ÷ its deadline of 30 s"].value == pytest.approx(
        1.058
    )
    right = figures["containers: bad releases with exit status 4"]
    assert (right.value, right.holds) == (1, False)


def test_the_till_takes_purchases_and_is_ready_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purchase is in the database; it is not ready before a second has passed, and the bad release never is."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/main.db")
    for release, answers in (("v1.1.0", [503, 200]), ("v1.2.0", [503, 503])):
        till = _till(release)
        try:
            assert till["buy"](b'{"reference": "a", "amount_cents": 100}')[0] == 201
            assert [_ready_after(till, seconds) for seconds in (0.5, 1.5)] == answers
            assert till["RELEASE"] == release
        finally:
            till["database"]().close()
    with sqlite3.connect(tmp_path / "main.db") as database:
        assert database.execute("SELECT count(*) FROM purchases").fetchone() == (2,)
    database.close()


def test_what_is_slow_ends_with_its_end() -> None:
    """A slow answer takes the seconds that it was asked for, and its last piece is its end."""
    pieces = list(_till("v1.0.0")["pieces"](0.6, b"more", b"end"))
    assert sum(pause for pause, _ in pieces) == pytest.approx(0.6)
    assert [data for _, data in pieces] == [b"more", b"more", b"end"]


def _till(release: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": f"till_{release}"}
    exec(compile(till_house.program(release), "till.py", "exec"), names)
    return names


def _ready_after(till: dict[str, Any], seconds: float) -> int:
    class Clock:
        @staticmethod
        def monotonic() -> float:
            return float(till["_started"] + seconds)

    till["time"] = Clock
    return int(till["ready"]()[0])


def test_the_memory_of_agent_and_router_is_one_sum() -> None:
    """The bar is for all of it together, the holder of the sockets included."""
    told = five_projects.figures(85.0, [110.0, 14.0], 5)
    assert (told[0].value, told[0].bar, told[0].holds) == (209.0, "≤ 220", True)
    assert not five_projects.figures(95.0, [115.0, 14.0], 5)[0].holds
