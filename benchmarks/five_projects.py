"""What agent and router keep in memory with five projects deployed as containers."""

import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.asking import Asker
from benchmarks.figures import Figure, at_most, told
from benchmarks.memory import IDLE, resident
from benchmarks.till_house import ENVIRONMENT, NEW, OLD, TillHouse

PROJECTS = 5
LIMIT = 220  # megabytes
HEALTH = "/health"
PATIENCE = 10.0  # seconds until each of them answers
COMMAND = "python -m benchmarks.run bench five_projects"


def measure(projects: int = PROJECTS) -> list[dict[str, Any]]:
    """Deploy two releases of each project one after the other, ask each, wait, and read the kernel's numbers."""
    with TillHouse() as house:
        for number in range(1, projects + 1):
            house.name = f"till{number}"
            house.project = house.root / house.name
            house.take_till(OLD, NEW)
            for release in (OLD, NEW):
                house.rollout("deploy", ENVIRONMENT, release)
            port = urlsplit(house.status(ENVIRONMENT)["url"]).port
            assert port is not None, "an environment without a domain has a local port"
            with Asker(port, HEALTH) as asker:
                asker.first(NEW, time.monotonic(), PATIENCE)
        time.sleep(IDLE)
        agent = resident(house.agent()["pid"])
        routers = [resident(pid) for pid in _routers(house.home)]
    return [figure.plain() for figure in figures(agent, routers, projects)]


def figures(agent: float, routers: list[float], projects: int) -> list[Figure]:
    """Return the figures, of megabytes; ``routers`` are the router and the holder of its sockets."""
    name = f"{projects} projects of containers deployed"
    return [
        at_most(f"agent + router resident, idle, {name}", agent + sum(routers), "MB", LIMIT, COMMAND, projects),
        told(f"of this, the agent, {name}", agent, "MB", COMMAND, projects),
        told(f"of this, the router with what holds its sockets, {name}", sum(routers), "MB", COMMAND, projects),
    ]


def _routers(home: Path) -> list[int]:
    """Return the router's process and that of its holder, which is its parent."""
    router: int = json.loads((home / "router" / "holder.json").read_text())["router"][0]
    parent = int(Path(f"/proc/{router}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent not in (1, os.getpid()), "the router's parent is its holder"
    return [router, parent]
