"""Figures, their bars and their page."""

import json
from pathlib import Path

import pytest
from benchmarks import figures
from benchmarks.figures import at_least, at_most, load_all, page, save, told


def a_figure(value: float = 0.5, limit: float = 0.6, name: str = "deploy minus start") -> figures.Figure:
    return at_most(name, value, "s", limit, "lading deploy bench v1.1.0", 10)


@pytest.mark.parametrize(
    ("figure", "bar", "holds"),
    [
        (at_most("f", 0.6, "s", 0.6, "c", 1), "≤ 0.6", True),
        (at_most("f", 0.601, "s", 0.6, "c", 1), "≤ 0.6", False),
        (at_most("lost", 0, "", 0, "c", 1), "0", True),
        (at_most("lost", 1, "", 0, "c", 1), "0", False),
        (at_least("rate", 200.0, "/s", 200, "c", 1), "≥ 200", True),
        (at_least("rate", 199.9, "/s", 200, "c", 1), "≥ 200", False),
        (told("f", 3.0, "s", "c", 1), None, None),
    ],
)
def test_a_figure_holds_at_its_bar(figure: figures.Figure, bar: str | None, holds: bool | None) -> None:
    """A bar holds when the value just meets it; without a bar nothing holds or is missed."""
    assert (figure.bar, figure.holds) == (bar, holds)


def test_what_is_judged_is_what_is_told() -> None:
    """A value is rounded before it is held against its bar, so that the page never contradicts itself."""
    assert (a_figure(0.60049).value, a_figure(0.60049).holds) == (0.6, True)
    assert (a_figure(0.6006).value, a_figure(0.6006).holds) == (0.601, False)


def test_results_are_kept_whole_and_read_in_order(tmp_path: Path) -> None:
    """Each campaign has a file of its own; the page shows them in the order of the campaigns, strangers last."""
    for name in ("zebra", "build", "cutovers"):
        save(name, [a_figure(name=name).plain()], tmp_path)
    assert [row["figure"] for row in load_all(("cutovers", "overhead", "build"), tmp_path)] == [
        "cutovers",
        "build",
        "zebra",
    ]
    (row,) = json.loads((tmp_path / "build.json").read_text("utf-8"))
    assert tuple(row) == ("figure", "value", "unit", "bar", "holds", "command", "n")


def test_the_page_has_a_row_for_each_figure() -> None:
    """A row tells figure, bar, value, whether it holds, n and the command."""
    text = page([a_figure().plain(), told("python -c pass", 10.0, "ms", "python -c pass", 20).plain()], "2 cores", {})
    assert "| deploy minus start | ≤ 0.6 | 0.5 s | yes | 10 | `lading deploy bench v1.1.0` |" in text
    assert "| python -c pass | – | 10 ms | – | 20 | `python -c pass` |" in text
    assert "2 cores" in text
    assert "missed" not in text


def test_a_missed_bar_is_told_with_what_limits_it() -> None:
    """What misses its bar shows in the table, with its true value and the reason below."""
    rows = [a_figure(0.7, name="slow").plain(), a_figure(0.9, name="slower").plain(), a_figure(name="fine").plain()]
    text = page(rows, "2 cores", {"slow": "A job of the suite."})
    below = text.partition("## Where a bar is missed")[2]
    assert "| slow | ≤ 0.6 | 0.7 s | **no** |" in text
    assert "**slow**: 0.7 s. A job of the suite." in below
    assert "**slower**: 0.9 s. What limits it is not known yet." in below
    assert "fine" not in below


def test_no_cell_breaks_the_table() -> None:
    """A bar or line end within a text stays within its cell."""
    text = page([a_figure(name="a | b\nc").plain()], "2 cores", {})
    assert "| a \\| b c | ≤ 0.6 |" in text


def test_the_machine_has_no_name() -> None:
    """Cores, memory and versions are told; nothing that names the machine."""
    text = figures.machine()
    assert "cores" in text
    assert "GiB" in text
    host = Path("/proc/sys/kernel/hostname").read_text().strip()
    assert host not in text
