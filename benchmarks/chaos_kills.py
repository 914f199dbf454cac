"""The agent killed at random moments under load, while releases of a real application come and go."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from examples.make_repository import make_repository

from benchmarks.account import held_against
from benchmarks.chaos_ground import ground, moments, wanted
from benchmarks.chaos_report import Findings
from benchmarks.figures import Figure, at_most, told
from benchmarks.house import ROOT
from tests.agents import RealAgent, Told, ended
from tests.strikes import ENDS, port, problems, served
from tests.support_agent import git

RATE = 60  # requests a second, a fifth of them writes
LONGEST_LIFE = 2.0  # seconds an agent lives at most before it is killed
PATIENCE = 60.0  # seconds a rollout may take once the agent is let live

COMMAND = "make chaos"
MIX = "fast=0.75,write=0.22,slow=0.02,events=0.01"


def measure() -> list[dict[str, Any]]:
    """Kill the agent at random moments."""
    with ground() as root:
        found = random_kills(root / "kills", wanted("KILLS", 500), moments())
    return [figure.plain() for figure in found]


def random_kills(place: Path, kills: int, chance: random.Random) -> list[Figure]:
    """Deploy and roll back in turns until the agent has been killed so often; then look at what came of it."""
    agent = _cashback(place)
    with ended([agent]):
        assert agent.lading("deploy", "local", "v1.0.0").exit == 0
        with _Load(agent, place) as traffic:
            run = _Run(agent, kills, chance)
            run.carry_out()
        writes = held_against(traffic.writes, _references(agent))
        free = _free(agent)
    return [*run.figures(), *_of_requests(traffic.summary, writes), *_of_locks(free, kills)]


def _cashback(place: Path) -> RealAgent:
    make_repository("cashback", place / "project")
    agent = RealAgent(place / "home", place / "project", name="cashback")
    for version in ("v1.0.0", "v1.1.0"):
        git(agent.project, "checkout", "-q", version)
        told = agent.lading("release")
        assert told.exit == 0, told
    for name in ("JWT_KEY", "SMOKE_TOKEN"):
        agent.secret("local", name, f"{name.lower()}-8b1d72f0c3")
    return agent


class _Run:
    """One campaign: rollouts, one after the other, and the killer beside them."""

    def __init__(self, agent: RealAgent, kills: int, chance: random.Random) -> None:
        self._agent = agent
        self._kills = kills
        self._chance = chance
        self._killed = 0
        self._done = threading.Event()
        self._outcomes: Counter[str] = Counter()
        self._statuses: Counter[int] = Counter()
        self._longest = 0.0
        self._findings = Findings("random kills")

    def carry_out(self) -> None:
        """Roll out until the killer is done, each rollout to its end."""
        killer = threading.Thread(target=self._kill)
        killer.start()
        while not self._done.is_set():
            self._rollout()
        killer.join()

    def _rollout(self) -> None:
        agent = self._agent
        before = served(agent)
        opened = len(agent.rollouts())
        words = ("rollback", "local") if before == "v1.1.0" else ("deploy", "local", "v1.1.0")
        began = time.monotonic()
        told = agent.told(agent.begin(*words))
        if told.rollout["outcome"] == "refused" and told.error["code"] == "nothing-to-return-to":
            told = agent.told(agent.begin("deploy", "local", "v1.0.0"))
        self._statuses[told.exit] += 1
        self._longest = max(self._longest, time.monotonic() - began)
        self._findings.report(f"rollout after {self._killed} kills", self._judged(told, before, opened))

    def _judged(self, told: Told, before: str | None, opened: int) -> list[str]:
        agent = self._agent
        try:
            agent.settle(within=PATIENCE)
        except AssertionError as error:
            return [str(error)]
        new = agent.rollouts()[opened:]
        for _, outcome in new:
            self._outcomes[str(outcome)] += 1
        after = served(agent)
        wrong = [f"outcome {outcome}" for _, outcome in new if outcome not in ENDS]
        if len(new) == 1 and (new[0][1] == "succeeded") == (after == before):
            wrong.append(f"{new[0][1]}, but {before} before and {after} after")
        if told.exit not in (0, 4, 5, 6, 7):
            wrong.append(f"exit status {told.exit}: {told.lines[-1:]} {told.err}")
        return wrong + problems(agent)

    def _kill(self) -> None:
        for _ in range(self._kills):
            time.sleep(self._chance.uniform(0.0, LONGEST_LIFE))
            while not (pids := self._agents()):
                self._start()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self._killed += 1
            self._start()
        self._done.set()

    def _start(self) -> None:
        subprocess.Popen(
            [sys.executable, "-m", "lading.agent", "--home", str(self._agent.home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def _agents(self) -> list[int]:
        return [pid for pid in self._agent.processes() if b"lading.agent" in _words_of(pid)]

    def figures(self) -> list[Figure]:
        """Return what came of the rollouts."""
        told_outcomes = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.most_common())
        return [
            self._findings.figure(COMMAND),
            told("random kills: SIGKILLs of the agent", self._killed, "kills", command=COMMAND, n=self._killed),
            told(
                f"random kills: rollouts ({told_outcomes})",
                self._outcomes.total(),
                "rollouts",
                command=COMMAND,
                n=self._outcomes.total(),
            ),
            told(
                "random kills: longest command, killed agents included",
                self._longest,
                "s",
                command=COMMAND,
                n=self._statuses.total(),
            ),
        ]


def _words_of(pid: int) -> bytes:
    """Return a process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class _Load:
    """Requests from a process of its own for the length of the block."""

    def __init__(self, agent: RealAgent, place: Path) -> None:
        self._out, self._writes = place / "load.json", place / "writes.json"
        words = ["--base", f"http://127.0.0.1:{port(agent)}", "--rate", str(RATE), "--until-stdin-closes"]
        words += ["--mix", MIX, "--out", str(self._out), "--writes", str(self._writes)]
        words += ["--slow", "/api/v1/slow?seconds=2", "--events", "/api/v1/events?seconds=2"]
        self._words = [sys.executable, "-m", "benchmarks.load", *words]
        self.summary: dict[str, Any] = {}
        self.writes: dict[str, Any] = {}

    def __enter__(self) -> "_Load":
        self._process = subprocess.Popen(self._words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *ended: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        if self._process.wait(timeout=60) == 0:
            self.summary = json.loads(self._out.read_text())
            self.writes = json.loads(self._writes.read_text())


def _references(agent: RealAgent) -> list[str]:
    with closing(sqlite3.connect(f"file:{agent.database()}?mode=ro", uri=True, timeout=10)) as database:
        return [row[0] for row in database.execute("SELECT reference FROM purchases")]


def _free(agent: RealAgent) -> bool:
    """Tell whether the environment takes another rollout, as it does where no lock was left."""
    words = ("rollback", "local") if served(agent) == "v1.1.0" else ("deploy", "local", "v1.1.0")
    return agent.lading(*words).exit == 0


def _of_requests(summary: dict[str, Any], writes: dict[str, list[str]]) -> list[Figure]:
    if summary["lost"]:
        print(f"  lost: {summary['first_losses'][:5]}", file=sys.stderr)
    number = summary["sent"]
    written = summary["classes"]["write"]["sent"]
    seen = ", ".join(sorted(summary["releases"]))
    return [
        at_most(
            f"random kills: requests lost ({seen} both answered)",
            summary["lost"],
            "requests",
            0,
            command=COMMAND,
            n=number,
        ),
        at_most(
            "random kills: writes acknowledged and missing",
            len(writes["missing"]),
            "writes",
            0,
            command=COMMAND,
            n=written,
        ),
        at_most("random kills: writes doubled", len(writes["doubled"]), "writes", 0, command=COMMAND, n=written),
    ]


def _of_locks(free: bool, kills: int) -> list[Figure]:
    return [
        at_most(
            "random kills: environments that took no rollout afterwards",
            int(not free),
            "environments",
            0,
            command=COMMAND,
            n=kills,
        )
    ]
