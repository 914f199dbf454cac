"""Containers: cutovers under load, and what a deploy adds to making, starting and awaiting a container by hand."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks import cutovers
from benchmarks.asking import Asker
from benchmarks.calm import wait_for_calm
from benchmarks.figures import Figure, at_least, at_most, median, told
from benchmarks.overhead import breakdown
from benchmarks.till_house import BAD, DEADLINE, ENVIRONMENT, NEW, OLD, PATIENCE, TillHouse, floor
from lading.docker import SOCKET, Engine

HEALTH = "/health"
TURNS = 10
BAD_TURNS = 3
COMMAND = "python -m benchmarks.run bench containers"
DEPLOY = f"lading deploy {ENVIRONMENT} {NEW}"
ROLLBACK = f"lading rollback {ENVIRONMENT}"
REFUSED = 4  # exit status of a deploy that went back before its cutover
FLOOR = "docker create + start"


class Turn(NamedTuple):
    """Seconds of one turn; ``steps`` are those of the deploy up to the cutover. ``calm``: nobody else worked."""

    floor: float
    deploy: float
    rollback: float
    steps: dict[str, float]
    calm: bool = True


class Verdict(NamedTuple):
    """How a bad release ended: the command's seconds and exit status, and whether the old one served on."""

    seconds: float
    exit: int
    outcome: str


def measure(cutover_turns: int = cutovers.TURNS, turns: int = TURNS, bad: int = BAD_TURNS) -> list[dict[str, Any]]:
    """Deploy and roll back under load, then in turns with starts by hand, then deploy what is never ready."""
    with TillHouse() as house:
        house.take_till(OLD, NEW, BAD)
        house.rollout("deploy", ENVIRONMENT, OLD)
        crossed = cutovers.under_load(house, cutover_turns)
        port = urlsplit(house.status(ENVIRONMENT)["url"]).port
        assert port is not None, "an environment without a domain has a local port"
        taken = [_turn(house, port) for _ in range(turns)]
        verdicts = [_verdict(house) for _ in range(bad)]
    found = [dataclasses.replace(each, figure=f"containers: {each.figure}", command=COMMAND) for each in crossed]
    return [figure.plain() for figure in [*found, *figures(taken, verdicts)]]


def figures(taken: list[Turn], verdicts: list[Verdict]) -> list[Figure]:
    """Return the figures of turns and of deploys of a bad release."""
    n = len(taken)
    ground, deploy = median([turn.floor for turn in taken]), median([turn.deploy for turn in taken])
    back = median([turn.rollback for turn in taken])
    verdict = median([each.seconds for each in verdicts]) / DEADLINE
    right = sum(each.exit == REFUSED and each.outcome == "unwound" for each in verdicts)
    steps = {name: median([turn.steps.get(name, 0.0) for turn in taken]) for turn in taken for name in turn.steps}
    return [
        told("containers: the floor, create + start by hand → ready (1 s of it fixed)", ground, "s", FLOOR, n),
        told("containers: deploy command → first answer of the new release", deploy, "s", DEPLOY, n),
        at_most("containers: deploy minus floor", deploy - ground, "s", 0.5, DEPLOY, n),
        at_most("containers: deploy ÷ floor", deploy / ground, "", 1.3, DEPLOY, n),
        *(told(f"of a deploy of containers: {name}", value, "s", DEPLOY, n) for name, value in steps.items()),
        at_most("containers: rollback command → first answer, previous still up", back, "s", 0.5, ROLLBACK, n),
        at_most(
            f"containers: a bad release, time to the verdict ÷ its deadline of {DEADLINE:g} s",
            verdict,
            "",
            1.1,
            COMMAND,
            len(verdicts),
        ),
        at_least(
            f"containers: bad releases with exit status {REFUSED}", right, "", len(verdicts), COMMAND, len(verdicts)
        ),
        told(
            "containers: turns in which others worked on the machine",
            sum(not turn.calm for turn in taken),
            "",
            COMMAND,
            n,
        ),
    ]


def _turn(house: TillHouse, port: int) -> Turn:
    calm = [wait_for_calm()]
    with Asker(port, HEALTH):
        ground = floor(house.serving(), OLD, Engine(SOCKET))
    calm.append(wait_for_calm())
    deploy, steps = rollout(house, lambda: Asker(port, HEALTH), NEW, "deploy", ENVIRONMENT, NEW)
    calm.append(wait_for_calm())
    back, _ = rollout(house, lambda: Asker(port, HEALTH), OLD, "rollback", ENVIRONMENT)
    return Turn(ground, deploy, back, steps, all(calm))


def rollout(house: TillHouse, asking: Callable[[], Asker], release: str, *words: str) -> tuple[float, dict[str, float]]:
    """Run a command and return the seconds until a release's first answer, and those of the steps before."""
    with asking() as asker:
        clock, began = time.time(), time.monotonic()
        said = house.lading(*words)
        seconds = asker.first(release, began, PATIENCE).answered - began
    outcome = said[-1]["rollout"]["outcome"]
    if outcome != "succeeded":
        raise RuntimeError(f"lading {' '.join(words)} ended as {outcome}")
    return seconds, breakdown([line["event"] for line in said if "event" in line], clock)


def _verdict(house: TillHouse) -> Verdict:
    wait_for_calm()
    began = time.monotonic()
    code, said = house.status_of("deploy", ENVIRONMENT, BAD)
    return Verdict(time.monotonic() - began, code, said[-1]["rollout"]["outcome"])
