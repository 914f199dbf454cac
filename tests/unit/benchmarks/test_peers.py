"""The table of other tools, and what is asked of machines with containers."""

from pathlib import Path
from typing import Any

import pytest
from benchmarks import container_hosts, figures
from benchmarks.container_hosts import Sent, Turn
from benchmarks.hosts import Crossing
from benchmarks.peers.trial import QUOTED, Row, cells


def test_a_row_has_a_cell_for_each_question() -> None:
    """A tool that was measured, one that is quoted and one that could not be had: six cells each."""
    measured = Row("Lading", 1.9, 0, 7200, 0.31, "exit 4 after 31.0 s, 0 lost, v1.0.0 answers", "0 lost")
    assert cells(measured)[:4] == ["Lading", "1.9", "0 of 7,200", "0.31"]
    absent = Row("compose, recreate", note="not measured: docker compose is not installed")
    assert {len(cells(row)) for row in (measured, absent, *QUOTED)} == {6}
    assert all("quoted" in row.tool for row in QUOTED)


def test_the_page_has_the_table_where_there_is_one(tmp_path: Path) -> None:
    """A table is kept whole and found again; without one the page has no such section."""
    assert figures.load_table("peers", tmp_path) is None
    figures.save_table("peers", ["tool", "lost"], [["a | b", "0"]], tmp_path)
    page = figures.page([], "a machine", {}, figures.load_table("peers", tmp_path))
    assert "| tool | lost |\n| --- | --- |\n| a \\| b | 0 |\n" in page
    assert "Beside other tools" not in figures.page([], "a machine", {})


def found(taken: list[Turn], sent: list[Sent]) -> dict[str, Any]:
    return {figure.figure: figure for figure in container_hosts.figures(taken, sent)}


def test_connecting_is_allowed_beside_the_floor() -> None:
    """What a command takes over SSH is held against the floor there after the connecting of its own turn."""
    sent = [Sent(Crossing(wire=26_000, changed=18_000, record=2_000, whole=60_000_000), 200_000_000)]
    told = found([Turn(1.6, 2.3, 0.6, 0.2)], sent)
    deploy = told["containers over SSH: deploy minus connecting minus floor"]
    assert (deploy.value, deploy.holds) == (pytest.approx(0.5), True)
    assert told["containers over SSH: rollback minus connecting, previous still up"].value == pytest.approx(0.4)
    wire = told["one-line change of an image over SSH: bytes on the wire ÷ (changed layers + manifest)"]
    assert (wire.value, wire.holds) == (pytest.approx(1.3), True)
    assert told["one-line change of an image over SSH: bytes on the wire ÷ docker save"].holds
