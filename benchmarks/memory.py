"""What an agent keeps in memory after many rollouts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, at_most, told
from benchmarks.house import House, cashback, until

ENVIRONMENTS = ("one", "two", "three")
RELEASES = ("v1.0.0", "v1.1.0")
ROLLOUTS = 100
IDLE = 10.0  # seconds without any command before the memory is read


def measure(rollouts: int = ROLLOUTS) -> list[dict[str, Any]]:
    """Deploy two releases in turns to three environments at once; watch for nothing, so that it is over soon."""
    with House() as house:
        cashback(house, *RELEASES)
        for name in ENVIRONMENTS:
            house.add_environment(name, watch="0s", keep_previous="0s")
            house.give_secrets(name)
        pid = house.agent()["pid"]
        built = resident(pid)
        counter = Countdown(rollouts)
        with ThreadPoolExecutor(len(ENVIRONMENTS)) as workers:
            list(workers.map(lambda name: _deploy(house, name, counter), ENVIRONMENTS))
        _rest(house)
        if house.agent()["pid"] != pid:
            raise RuntimeError("the agent is another one than at the start")
        return [figure.plain() for figure in figures(built, resident(pid), highest(pid), rollouts)]


def figures(built: float, after: float, peak: float, rollouts: int) -> list[Figure]:
    """Return the figures, of megabytes."""
    command = "lading deploy ENVIRONMENT"
    return [
        at_most("agent's resident memory, idle after the rollouts", after, "MB", 80, command, rollouts),
        told("agent's resident memory after two builds, before any rollout", built, "MB", command, 1),
        told("agent's highest resident memory", peak, "MB", command, rollouts),
    ]


class Countdown:
    """Gives out a number of tasks to several threads."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one task; False when none is left."""
        with self._lock:
            self._left -= 1
            return self._left >= 0


def _deploy(house: House, environment: str, counter: Countdown) -> None:
    turn = 0
    while counter.take():
        house.rollout("deploy", environment, RELEASES[turn % 2])
        turn += 1


def _rest(house: House) -> None:
    def idle() -> bool:
        return not any(house.status(name).get("rollout") for name in ENVIRONMENTS)

    until(idle, 60.0, "no rollout under way")
    time.sleep(IDLE)


def resident(pid: int) -> float:
    """Return a process's resident memory in megabytes."""
    return _status(pid, "VmRSS")


def highest(pid: int) -> float:
    """Return the most memory that was ever resident, in megabytes."""
    return _status(pid, "VmHWM")


def _status(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    raise RuntimeError(f"the kernel tells no {field} of process {pid}")
