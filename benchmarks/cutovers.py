"""Deploys and rollbacks in turns under load from a separate process: what is lost, and which release answers when."""

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from benchmarks.account import Record, held_against
from benchmarks.figures import Figure, at_least, at_most, median, told
from benchmarks.house import ROOT, House, cashback

OLD, NEW = "v1.0.0", "v1.1.0"
ENVIRONMENT = "bench"
TURNS = 20  # each a deploy and a rollback
RATE = 240.0  # requests a second; the bar asks for 200
DRAIN_LIMIT = "30s"  # streams, slow answers and WebSockets of the load take 5 s
SETTLE = 2.0  # seconds of load before the first cutover
LATE = 0.1  # seconds after a release's first answer in which the other one may still answer
WINDOW = f"more than {LATE:g} s after the other's first answer"
PATIENCE = 60.0  # seconds for the load's last answers

KINDS = {
    "fast": "fast answers",
    "write": "writes",
    "slow": "answers that take 5 s",
    "events": "event streams of 5 s",
    "websocket": "WebSockets of 5 s",
}
CONNECTIONS = {"keep-alive": "over kept connections", "new": "over new connections"}
COMMAND = "python -m benchmarks.run bench cutovers"


class Load:
    """The load generator's process; a mark tells it which release is changed to."""

    def __init__(self, base: str, folder: Path, *, rate: float = RATE, mix: str = "", slow: str = "") -> None:
        self.out, self.writes, self.records = folder / "load.json", folder / "writes.json", folder / "records.jsonl"
        words = ["--base", base, "--rate", f"{rate:g}", "--until-stdin-closes"]
        words += ["--mix", mix] if mix else []
        words += ["--slow", slow] if slow else []
        words += ["--out", str(self.out), "--writes", str(self.writes), "--records", str(self.records)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.load", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdin is not None
        self._words: IO[str] = self._process.stdin

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
        self._words.close()
        if self._process.wait(PATIENCE) and kind is None:
            raise RuntimeError(f"the load ended with {self._process.returncode}")

    def mark(self, release: str) -> None:
        """Say that a change to ``release`` begins now."""
        self._words.write(f"{release}\n")
        self._words.flush()


def measure(turns: int = TURNS) -> list[dict[str, Any]]:
    """Deploy and roll back in turns under load, then hold the answers against the database."""
    with House() as house:
        cashback(house, OLD, NEW)
        house.add_environment(ENVIRONMENT, watch="200ms", drain_limit=DRAIN_LIMIT)
        house.give_secrets(ENVIRONMENT)
        house.rollout("deploy", ENVIRONMENT, OLD)
        return [figure.plain() for figure in under_load(house, turns)]


def under_load(house: House, turns: int) -> list[Figure]:
    """Deploy and roll back so often where the old release serves, and return the figures."""
    with Load(house.status(ENVIRONMENT)["url"], house.root) as load:
        time.sleep(SETTLE)
        probed = sum((_turn(house, load) for _ in range(turns)), start=0)
    run = json.loads(load.out.read_text())
    records = [Record(*json.loads(line)) for line in load.records.read_text().splitlines()]
    compared = held_against(json.loads(load.writes.read_text()), references(house, ENVIRONMENT))
    return figures(run, records, compared, probed, 2 * turns)


def _turn(house: House, load: Load) -> int:
    """Deploy and roll back; return how many requests the rollouts' own probers lost."""
    load.mark(NEW)
    there = house.rollout("deploy", ENVIRONMENT, NEW)
    load.mark(OLD)
    back = house.rollout("rollback", ENVIRONMENT)
    lost: int = there["lost_requests"] + back["lost_requests"]
    return lost


def references(house: House, environment: str) -> list[str]:
    """Return the references of all purchases that an environment's database has."""
    with closing(sqlite3.connect(f"file:{house.database(environment)}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute("SELECT reference FROM purchases")]


def figures(
    run: dict[str, Any], records: list[Record], compared: dict[str, list[str]], probed: int, cutovers: int
) -> list[Figure]:
    """Return the figures of a run of so many cutovers."""
    seen = [switch for switch in run["switches"] if switch["first"] is not None]
    writes, fast = run["classes"]["write"]["sent"], run["classes"]["fast"]["sent"]
    rate = run["sent"] / (max(record.start for record in records) - run["began_monotonic"])
    late = late_answers(records, run["switches"], run["marks"], LATE)
    latest = max((switch["old_after_latest"] for switch in seen), default=0.0)
    return [
        at_least("cutovers under load, the new release seen to answer", len(seen), "", cutovers, COMMAND, cutovers),
        at_least("requests a second, sent through all cutovers", rate, "/s", 200, COMMAND, run["sent"]),
        at_most(f"requests lost over {cutovers} cutovers", run["lost"], "", 0, COMMAND, run["sent"]),
        *_lost_by(run["classes"], KINDS),
        *_lost_by(run["connections"], CONNECTIONS),
        at_most("writes acknowledged but missing in the database", len(compared["missing"]), "", 0, COMMAND, writes),
        at_most("writes doubled in the database", len(compared["doubled"]), "", 0, COMMAND, writes),
        at_most("slowest fast answer", run["slowest_fast"], "s", 1, COMMAND, fast),
        at_most(f"answers by the release that was left to requests started {WINDOW}", late, "", 0, COMMAND, len(seen)),
        told("latest such request started, after the other's first answer", latest, "s", COMMAND, len(seen)),
        at_most("requests lost by the rollouts' own probers", probed, "", 0, COMMAND, cutovers),
        *_command_times(seen),
    ]


def _lost_by(groups: dict[str, dict[str, Any]], names: dict[str, str]) -> list[Figure]:
    return [
        at_most(f"of these, {words}", groups[kind]["lost"], "", 0, COMMAND, groups[kind]["sent"])
        for kind, words in names.items()
        if kind in groups
    ]


def _command_times(seen: list[dict[str, Any]]) -> list[Figure]:
    found = []
    for words, release in (("deploy", NEW), ("rollback", OLD)):
        times = [switch["seconds"] for switch in seen if switch["release"] == release]
        if times:
            name = f"{words} command → first answer, under load"
            found.append(told(name, median(times), "s", f"lading {words}", len(times)))
    return found


def late_answers(records: list[Record], switches: list[dict[str, Any]], marks: list[list[Any]], beyond: float) -> int:
    """Count answers of another release to requests that started more than ``beyond`` seconds after a switch was seen.

    The time of a switch ends with the next mark, when the change to the next release begins.
    """
    ends = [*(at for at, _release in marks[1:]), float("inf")]
    spans = [
        (switch["first_monotonic"] + beyond, end, switch["release"])
        for switch, end in zip(switches, ends, strict=True)
        if switch["first"] is not None
    ]
    return sum(
        record.release != release
        for begin, end, release in spans
        for record in records
        if record.release and begin < record.start < end
    )
