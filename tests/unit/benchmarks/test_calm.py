"""Waiting until nobody else works."""

from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.calm import LOOK, PATIENCE, Ticks, busy, ticks, wait_for_calm


def looks(*shares: float) -> Callable[[], Ticks]:
    """Return what shows these shares of work, one between each two looks that belong together."""

    def told() -> Iterator[Ticks]:
        for share in shares:
            yield Ticks(idle=0, total=0)
            yield Ticks(idle=round(100 * (1 - share)), total=100)

    left = told()
    return lambda: next(left)


def test_the_kernel_counts_all_cores(tmp_path: Path) -> None:
    """Idle is what waited for nothing or for a disk; guests are counted in what runs them already."""
    stat = tmp_path / "stat"
    stat.write_text("cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3 4\n")
    assert ticks(stat) == Ticks(idle=450, total=531)
    assert busy(Ticks(0, 0), Ticks(75, 100)) == 0.25
    assert busy(Ticks(5, 10), Ticks(5, 10)) == 0.0


def test_it_begins_when_the_others_are_done() -> None:
    """The first calm look ends the wait."""
    pauses: list[float] = []
    assert wait_for_calm(look=looks(0.9, 0.5, 0.1), pause=pauses.append)
    assert pauses == [LOOK] * 3


def test_it_does_not_wait_for_ever() -> None:
    """Where others never rest, it begins all the same and says so."""
    pauses: list[float] = []
    assert not wait_for_calm(look=looks(*[1.0] * 100), pause=pauses.append)
    assert sum(pauses) <= PATIENCE + 2 * LOOK
