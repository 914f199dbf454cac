"""How long it takes to build a release again after a change of one line, with the packages at hand."""

import time
from typing import Any

from benchmarks.figures import Figure, at_most, median
from benchmarks.house import House, cashback

TURNS = 5
FILE = "cashback/__init__.py"


def measure(turns: int = TURNS) -> list[dict[str, Any]]:
    """Change one line, commit, and build, several times; each release has another digest."""
    with House() as house:
        cashback(house, "v1.0.0")
        digests, times = set(), []
        for turn in range(turns):
            change_one_line(house, turn)
            began = time.monotonic()
            release = house.lading("release")[-1]["release"]
            times.append(time.monotonic() - began)
            digests.add(release["digest"])
        if len(digests) != turns:
            raise RuntimeError(f"{turns} changes gave {len(digests)} digests")
    return [figure.plain() for figure in figures(times)]


def figures(times: list[float]) -> list[Figure]:
    """Return the figures of the times."""
    figure = "one-line source change: release built, digest changed"
    return [at_most(figure, median(times), "s", 1.5, "lading release", len(times))]


def change_one_line(house: House, turn: int) -> None:
    file = house.project / FILE
    lines = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("TURN")]
    file.write_text("\n".join([*lines, f"TURN = {turn}"]) + "\n", "utf-8")
    house.git("commit", "--quiet", "--all", "--message", f"turn {turn}")
