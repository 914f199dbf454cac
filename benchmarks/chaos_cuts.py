"""SSH cut while containers are rolled out on another machine: the command connects again, the rollout never notices."""

import json
import random
import subprocess
import time

from benchmarks.chaos_report import Findings
from benchmarks.container_hosts import DOMAIN, ENVIRONMENT, far_house
from benchmarks.figures import Figure, at_most
from benchmarks.house import LADING
from benchmarks.till_house import NEW, OLD, TillHouse
from tests.machines import Machine
from tests.visitors import Ask, visitors

COMMAND = "make chaos"
LONGEST = 3.0  # seconds after the command's start at which it is cut at the latest
LIMIT = 90.0  # seconds the command may take
RATE = 50.0  # visitors' requests a second


def cuts(times: int, chance: random.Random) -> list[Figure]:
    """Deploy and roll back in turns, cutting every connection that stands once in each command."""
    findings = Findings("SSH cut while containers are rolled out")
    with far_house() as (house, machine), visitors(f"http://{machine.address}", _read, None, RATE) as there:
        for number in range(times):
            words, wanted = (("rollback",), OLD) if number % 2 else (("deploy", NEW), NEW)
            at = chance.uniform(0.0, LONGEST)
            findings.report(f"{words[0]}, cut after {at:.2f} s", _cut(house, machine, words, wanted, at))
    lost, sent = len(there.lost), len(there.lost) + there.versions.total()
    return [
        findings.figure(COMMAND),
        at_most(f"{findings.what}: requests lost", lost, "requests", 0, command=COMMAND, n=sent),
    ]


def _read(ask: Ask) -> str:
    answer = ask("GET", "/health", None, {"Host": DOMAIN})
    if answer.status != 200:
        raise ValueError(f"status {answer.status}")
    return str(json.loads(answer.body)["release"])


def _cut(house: TillHouse, machine: Machine, words: tuple[str, ...], wanted: str, at: float) -> list[str]:
    act, *release = words
    command = [LADING, "--json", act, ENVIRONMENT, *release]
    with subprocess.Popen(
        command, cwd=house.project, env=house.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        time.sleep(at)
        machine.cut()
        said, _ = process.communicate(timeout=LIMIT)
    status = house.status(ENVIRONMENT)
    wrong = [] if process.returncode == 0 else [f"exit status {process.returncode}: {said[-500:]}"]
    if status["release"] != wanted or status.get("rollout"):
        wrong.append(f"{status['release']} serves instead of {wanted}, under way: {status.get('rollout')}")
    return wrong
