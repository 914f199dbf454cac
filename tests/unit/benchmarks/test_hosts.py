"""The campaign about other machines: its figures, and the cable with a delay."""

import asyncio
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks import delay, hosts
from benchmarks.hosts import Crossing, Took, Turn, figures

from lading.client.transfer import CHUNK


def told(crossings: list[Crossing], times: list[Turn], again: int) -> dict[str, Any]:
    uploads = [SimpleNamespace(again=again)] * hosts.CUTS
    rows = figures(crossings, times, [[0.1], [0.2]], uploads)  # type: ignore[arg-type]
    return {row.figure: row for row in rows}


def test_the_figures_are_those_of_the_turns() -> None:
    """Ratios compare what crossed with what changed; what connecting takes is taken off where it is said so."""
    turn = Turn(Took(9.0, 1.0), Took(7.0, 1.2), Took(8.0, 1.6), Took(6.0, 2.5), 0.3, 0.8)
    rows = told([Crossing(1500, 900, 100, 10**6)], [turn], CHUNK // 2)
    assert rows["one-line change over SSH: bytes on the wire ÷ (changed layers + manifest)"].value == 1.5
    assert rows["most of them sent again after a cut"].value == 0.5
    there = "deploy over SSH minus deploy here, beside the rollouts"
    assert rows[f"{there}, connection open"].value == pytest.approx(0.2)
    assert rows[f"{there}, minus connecting"].value == pytest.approx(0.3)
    assert rows[f"{there}, minus connecting, over a round trip of 50 ms"].value == pytest.approx(0.7)
    assert all(row.holds is not False for row in rows.values())


def test_a_chunk_too_many_is_told() -> None:
    """What is sent again after a cut has its bar."""
    took = Took(1.0, 1.0)
    rows = told([Crossing(1, 1, 1, 1)], [Turn(took, took, took, took, 0.0, 0.0)], 2 * CHUNK)
    assert rows["most of them sent again after a cut"].holds is False


def test_a_cable_delays_and_keeps_the_order() -> None:
    """Every byte comes later, none is lost, and what is under way does not wait for what came before it."""
    said, heard = deque([b"one", b"two", b"three", b""]), []

    async def read() -> bytes:
        return said.popleft()

    async def write(data: bytes) -> None:
        heard.append(data)

    began = time.monotonic()
    asyncio.run(delay.carry(read, write, 0.05))
    assert heard == [b"one", b"two", b"three"]
    assert time.monotonic() - began >= 0.05
