"""A program that tells its secrets to everybody goes the whole road; every place is searched for them."""

from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, at_most, told
from benchmarks.house import House
from tests.agents import RealAgent, ended
from tests.canary import Arguments, make_teller, needles
from tests.canary_road import Road, Searched
from tests.projects import NAME


def measure() -> list[dict[str, Any]]:
    """Travel once, search everywhere, and print where anything was seen."""
    with House() as house:
        searched = _searched(house.root)
    for place, seen in searched.found.items():
        print(f"  seen in {place}: {', '.join(seen)}", flush=True)
    return [figure.plain() for figure in figures(searched)]


def _searched(root: Path) -> Searched:
    agent = RealAgent(root / "canary", root / "teller", name=NAME)
    agent.project.mkdir()
    with ended([agent]), Arguments() as arguments:
        make_teller(agent.project)
        road = Road(agent)
        road.travel()
        return road.search(arguments)


def figures(searched: Searched) -> list[Figure]:
    """Return the figures."""
    command = "lading secrets edit ENVIRONMENT"
    return [
        at_most("places in which a seeded secret is seen", len(searched.found), "places", 0, command, searched.places),
        told("spellings of the secrets that were searched for", len(needles()), "spellings", command, searched.places),
    ]
