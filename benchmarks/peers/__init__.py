"""Other tools beside Lading in one run: the same images, the same load, the same questions."""

from typing import Any


def measure() -> list[dict[str, Any]]:
    """Try each tool in turn, and put them into one table."""
    from benchmarks.peers.campaign import carry_out_all

    return carry_out_all()
