"""What Lading adds to the start of a program, and how fast it goes back: measured in turns with a start by hand."""

import os
import shlex
import shutil
import subprocess
import time
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.asking import Asker
from benchmarks.calm import wait_for_calm
from benchmarks.figures import Figure, at_most, median, told
from benchmarks.house import House, cashback, free_ports

OLD, NEW = "v1.0.0", "v1.1.0"
ENVIRONMENT = "bench"
READY = "/ready"
HEALTH = "/health"  # through the router: which release answers shows there at the least cost
PATIENCE = 60.0  # seconds for a first answer
TURNS = 10
QUIET: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "stdout": subprocess.DEVNULL,
    "stderr": subprocess.DEVNULL,
}

BY_HAND = "the service's own command"
JOB = "the job's own command"
DEPLOY = f"lading deploy {ENVIRONMENT} {NEW}"
ROLLBACK = f"lading rollback {ENVIRONMENT}"


class Turn(NamedTuple):
    """Seconds of one turn; of the deploy also those of its steps, up to the cutover. ``calm``: nobody else worked."""

    by_hand: float
    job: float
    deploy: float
    rollback: float
    steps: dict[str, float]
    calm: bool = True


def measure(turns: int = TURNS) -> list[dict[str, Any]]:
    """Deploy and roll back in turns with starts by hand."""
    with House() as house:
        cashback(house, OLD, NEW)
        house.add_environment(ENVIRONMENT, watch="200ms")
        house.give_secrets(ENVIRONMENT)
        first = _first_deploy(house)
        port = urlsplit(house.status(ENVIRONMENT)["url"]).port
        assert port is not None, "an environment without a domain has a local port"
        taken = [_turn(house, port) for _ in range(turns)]
    return [figure.plain() for figure in figures(taken, first)]


def figures(taken: list[Turn], first: float) -> list[Figure]:
    """Return the figures of the turns."""
    n = len(taken)
    by_hand, job = median([turn.by_hand for turn in taken]), median([turn.job for turn in taken])
    deploy, back = median([turn.deploy for turn in taken]), median([turn.rollback for turn in taken])
    return [
        told("start by hand → first ready answer", by_hand, "s", BY_HAND, n),
        told("deploy command → first answer of the new release", deploy, "s", DEPLOY, n),
        at_most("deploy minus start by hand", deploy - by_hand, "s", 0.6, DEPLOY, n),
        at_most("deploy ÷ start by hand", deploy / by_hand, "", 2, DEPLOY, n),
        told("the smoke suite's job, run by hand", job, "s", JOB, n),
        told("deploy ÷ (start by hand + job by hand)", deploy / (by_hand + job), "", DEPLOY, n),
        *(told(f"of a deploy: {name}", value, "s", DEPLOY, n) for name, value in _steps(taken).items()),
        at_most("warm rollback: command → first answer of the old release", back, "s", 0.5, ROLLBACK, n),
        told("first deploy of an environment, until its command ends", first, "s", DEPLOY, 1),
        told("turns in which others worked on the machine", sum(not turn.calm for turn in taken), "", "/proc/stat", n),
    ]


def _steps(taken: list[Turn]) -> dict[str, float]:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for turn in taken:
        for name, seconds in turn.steps.items():
            times[name].append(seconds)
    return {name: median(seconds) for name, seconds in times.items()}


def _first_deploy(house: House) -> float:
    began = time.monotonic()
    house.rollout("deploy", ENVIRONMENT, OLD)
    return time.monotonic() - began


def _turn(house: House, port: int) -> Turn:
    calm = [wait_for_calm()]
    by_hand = _by_hand(house, port)
    calm.append(wait_for_calm())
    job = _job_by_hand(house)
    calm.append(wait_for_calm())
    deploy, steps = _rollout(house, port, NEW, "deploy", ENVIRONMENT, NEW)
    calm.append(wait_for_calm())
    rollback, _ = _rollout(house, port, OLD, "rollback", ENVIRONMENT)
    return Turn(by_hand, job, deploy, rollback, steps, all(calm))


def _rollout(house: House, port: int, release: str, *words: str) -> tuple[float, dict[str, float]]:
    with Asker(port, HEALTH) as asker:
        clock, began = time.time(), time.monotonic()
        told = house.lading(*words)
        seconds = asker.first(release, began, PATIENCE).answered - began
    outcome = told[-1]["rollout"]["outcome"]
    if outcome != "succeeded":
        raise RuntimeError(f"lading {' '.join(words)} ended as {outcome}")
    return seconds, breakdown([line["event"] for line in told if "event" in line], clock)


def breakdown(events: list[dict[str, Any]], began: float) -> dict[str, float]:
    """Return the seconds until the first step began, and of each step up to the cutover."""
    steps = [event for event in events if event["kind"] == "step"]
    found = {"command line and admission": steps[0]["at"] - began}
    for event in events:
        if event["kind"] == "done":
            name = " ".join(word for word in (event["name"], event["subject"]) if word and word != "web/1")
            found[event["name"]] = found.get(event["name"], 0.0) + event["seconds"]
            if name.startswith("cutover"):
                break
    between = (event["at"] for event in events if event["kind"] == "done" and event["name"] == "cutover")
    found["between the steps"] = next(between) - began - sum(found.values())
    return found


# by hand


def _by_hand(house: House, serving: int) -> float:
    """Start what serves once more, without Lading, and return the seconds until it is ready.

    What serves on the port ``serving`` is asked meanwhile, as it is during a deploy: answering costs the machine
    something, and both shall pay for it.
    """
    environ, place = _surroundings(house)
    words = _words(_manifest(house)["services"]["web"]["command"], environ)
    port = free_ports(1)
    environ |= {"PORT": str(port), "UVICORN_PORT": str(port)}
    with Asker(serving, HEALTH), Asker(port, READY) as asker:
        began = time.monotonic()
        process = subprocess.Popen(words, env=environ, cwd=place, **QUIET)
        try:
            return asker.first(OLD, began, PATIENCE).answered - began
        finally:
            process.terminate()
            process.wait(timeout=20)


def _job_by_hand(house: House) -> float:
    """Run the job of the smoke suite once more, without Lading, and return its seconds."""
    environ, place = _surroundings(house)
    words = _words(_manifest(house)["jobs"]["report"]["command"], environ)
    began = time.monotonic()
    subprocess.run(
        words, env={**environ, "LADING_OUTPUTS": str(house.root / "outputs")}, cwd=place, check=True, **QUIET
    )
    return time.monotonic() - began


def _surroundings(house: House) -> tuple[dict[str, str], Path]:
    """Return environment variables and directory of the instance that serves."""
    process = Path("/proc") / str(house.status(ENVIRONMENT)["instances"][0]["pid"])
    pairs = (process / "environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair), Path(os.readlink(process / "cwd"))


def _manifest(house: House) -> dict[str, Any]:
    return tomllib.loads((house.project / "lading.toml").read_text("utf-8"))


def _words(command: str, environ: dict[str, str]) -> list[str]:
    program, *words = shlex.split(command)
    found = shutil.which(program, path=environ["PATH"])
    assert found is not None, f"{program} is in the release's own environment"
    return [found, *words]
