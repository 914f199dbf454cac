"""Who may import whom: a row on the page for every room, and contracts that forbid all the rest."""

import re
import tomllib
from collections import defaultdict
from itertools import permutations
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = {path.name for path in (ROOT / "src" / "lading").iterdir() if path.is_dir() and not path.name.startswith("__")}


def allowed() -> dict[str, set[str]]:
    """Return which rooms each room may import, as the table of the page has it."""
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## Rooms")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z]+)` \|.*\| ([^|]*) \|$", page, re.MULTILINE)
    return {room: set(ROOMS) - {room} if told == "everything" else _named(told) for room, told in rows}


def _named(told: str) -> set[str]:
    if told == "nothing of Lading":
        return set()
    # In brackets stands which part of a room it is.
    return {name.strip() for name in re.sub(r"\([^)]*\)", "", told).split(",")}


def forbidden() -> dict[str, set[str]]:
    """Return which rooms the contracts forbid each room to import."""
    found: dict[str, set[str]] = defaultdict(set)
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        if contract["type"] == "independence":
            pairs = list(permutations(contract["modules"], 2))
        else:
            pairs = [(mine, other) for mine in contract["source_modules"] for other in contract["forbidden_modules"]]
        for mine, other in pairs:
            found[mine.removeprefix("lading.")].add(other.removeprefix("lading."))
    return found


def test_every_room_has_its_row() -> None:
    """A new room says on the page of the architecture what it is about, and whom it may import."""
    told = allowed()
    assert set(told) == ROOMS
    assert {name for names in told.values() for name in names} <= ROOMS


def test_what_is_not_allowed_is_forbidden() -> None:
    """Each room's contracts name every room that it may not import, and none that it may."""
    told, kept = allowed(), forbidden()
    forgotten = {room: sorted(ROOMS - told[room] - kept[room] - {room}) for room in ROOMS}
    assert {room: names for room, names in forgotten.items() if names} == {}
    refused = {room: sorted(kept[room] & told[room]) for room in ROOMS if told[room] != ROOMS - {room}}
    assert {room: names for room, names in refused.items() if names} == {}
