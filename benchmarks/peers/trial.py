"""What every tool goes through, and the row of the table that comes of it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.account import Record
from benchmarks.cutovers import Load
from benchmarks.figures import median
from benchmarks.till_house import BAD, NEW, OLD
from tests.agents import answer, release_at
from tests.support import until

TURNS = 5  # each a deploy and a rollback
MIX = "fast=0.5,slow=0.3,write=0.2"
SLOW = "/api/v1/slow?seconds=0.05"
SETTLE = 3.0  # seconds of load between two commands
MIDDLE = 0.3  # seconds after a container of the new release was made at which the client is killed
AFTERWARDS = 15.0  # seconds of load after that, and after a bad release's command
LAST = 3.0  # of these, the seconds in which who answers is looked at
LIMIT = 180.0  # seconds a command may take


@dataclasses.dataclass
class Row:
    """How a tool did. Times in seconds, medians of the turns; ``lost`` of ``sent`` requests over all turns."""

    tool: str
    deploy: float = 0.0
    lost: int = 0
    sent: int = 0
    back: float = 0.0
    bad: str = ""
    killed: str = ""
    note: str = ""


# Measured by us on a machine like this one, with the same kind of load; what they need is in no registry of packages.
KAMAL = ("exit 1 after 37 s, 0 lost, v1.0.0 answers", "its lock stays until it is released by hand")
QUOTED = (
    Row("Kamal 2.12 + kamal-proxy 0.9, quoted", 7.8, 0, 3600, 5.4, *KAMAL),
    Row("piku, quoted", 4.1, 769, 2141, 4.4, "exit 0, then 502", "–"),
)


class Tool(ABC):
    """A tool with the till up at ``base``; a context manager that leaves nothing behind."""

    title: ClassVar[str] = ""

    def __init__(self, place: Path) -> None:
        self.place = place / type(self).__name__.lower()
        self.place.mkdir()
        self.place.chmod(0o777)
        self.base = ""

    @classmethod
    def missing(cls) -> str:
        """Say what this tool needs and is not here; empty when it can be tried."""
        return ""

    @abstractmethod
    def __enter__(self) -> "Tool": ...

    @abstractmethod
    def __exit__(self, *_: object) -> None: ...

    @abstractmethod
    def deploying(self, release: str) -> list[str]:
        """Return the command that deploys a release."""

    def returning(self) -> list[str]:
        """Return the command that goes back to the release before."""
        return self.deploying(OLD)

    def environ(self, release: str) -> dict[str, str]:  # noqa: ARG002
        """Return more variables of the command."""
        return {}

    def running(self) -> int:
        """Return how many instances of the service run."""
        return len(self.instances())

    def instances(self, *words: str) -> set[str]:
        """Return the containers of the service: those that run, or with ``--all`` every one."""
        listed = [
            "docker",
            "ps",
            "--quiet",
            "--no-trunc",
            *words,
            *(f"--filter=label={name}" for name in self.labels()),
        ]
        return set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())

    @abstractmethod
    def labels(self) -> list[str]:
        """Return the labels by which the tool's containers of the service are known."""

    # driving it

    def begin(self, words: Sequence[str], release: str) -> "subprocess.Popen[bytes]":
        """Start a command in a session of its own."""
        return subprocess.Popen(
            words,
            cwd=self.place,
            env={**os.environ, **self.environ(release)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def deploy(self, release: str) -> int:
        """Deploy a release; return the exit status."""
        return self.begin(self.deploying(release), release).wait(LIMIT)

    def back(self) -> int:
        """Go back; return the exit status."""
        return self.begin(self.returning(), OLD).wait(LIMIT)

    def up(self) -> None:
        """Wait until the old release answers."""
        until(lambda: release_at(self.base) == OLD, within=60, what=f"{self.title}: {OLD} answers")
        until(lambda: answer(f"{self.base}/ready")[0] == 200, within=60, what=f"{self.title}: it is ready")


def carry_out(kind: type[Tool], place: Path, turns: int) -> Row:
    """Take a tool through all of it."""
    with kind(place) as tool:
        tool.up()
        row = Row(tool.title)
        _turns(tool, row, turns)
        _bad(tool, row)
        _repair(tool)
        _killed(tool, row)
    return row


def _turns(tool: Tool, row: Row, turns: int) -> None:
    with _load(tool) as load:
        time.sleep(SETTLE)
        for _ in range(turns):
            load.mark(NEW)
            assert tool.deploy(NEW) == 0, f"{tool.title} did not deploy"
            time.sleep(SETTLE)
            load.mark(OLD)
            assert tool.back() == 0, f"{tool.title} did not go back"
            time.sleep(SETTLE)
    run = json.loads(load.out.read_text())
    row.lost, row.sent = run["lost"], run["sent"]
    times = {name: _times(run["switches"], name) for name in (OLD, NEW)}
    row.deploy, row.back = round(median(times[NEW]), 2), round(median(times[OLD]), 2)


def _times(switches: Sequence[dict[str, Any]], release: str) -> list[float]:
    return [each["seconds"] for each in switches if each["release"] == release and each["first"] is not None]


def _bad(tool: Tool, row: Row) -> None:
    with _load(tool) as load:
        time.sleep(SETTLE)
        began = time.monotonic()
        status = tool.deploy(BAD)
        seconds = time.monotonic() - began
        time.sleep(AFTERWARDS)
    lost = _lost(load)
    row.bad = f"exit {status} after {seconds:.1f} s, {lost} lost, {_answering(load)}"


def _repair(tool: Tool) -> None:
    """Bring the old release back, where the bad one stayed."""
    if release_at(tool.base) != OLD:
        tool.deploy(OLD)
    tool.up()


def _killed(tool: Tool, row: Row) -> None:
    with _load(tool) as load:
        time.sleep(SETTLE)
        before = tool.instances("--all")
        client = tool.begin(tool.deploying(NEW), NEW)
        until(lambda: tool.instances("--all") - before, within=20, what=f"{tool.title} makes a container of {NEW}")
        time.sleep(MIDDLE)
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()
        time.sleep(AFTERWARDS)
    lost, answering, running = _lost(load), _answering(load), tool.running()
    status = tool.deploy(NEW)
    row.killed = f"{lost} lost, {answering}, {running} running; again: exit {status}, {tool.running()} running"


def _lost(load: Load) -> int:
    """Return how many requests a load lost, and print why the first of them were."""
    run = json.loads(load.out.read_text())
    if run["lost"]:
        print(f"    lost: {run['first_losses'][:3]}", file=sys.stderr, flush=True)
    lost: int = run["lost"]
    return lost


def _answering(load: Load) -> str:
    """Say who answered at the end of a load."""
    records = [Record(*json.loads(line)) for line in load.records.read_text().splitlines()]
    last = max(record.start for record in records) - LAST
    names = sorted({record.release for record in records if record.start > last and not record.lost})
    return f"{' and '.join(names)} answer{'' if len(names) > 1 else 's'}" if names else "nobody answers"


def _load(tool: Tool) -> Load:
    return Load(tool.base, tool.place, mix=MIX, slow=SLOW)


def cells(row: Row) -> list[str]:
    """Return the cells of a row."""
    if row.note:
        return [row.tool, row.note, "–", "–", "–", "–"]
    lost = f"{row.lost:,} of {row.sent:,}"
    return [row.tool, f"{row.deploy:g}", lost, f"{row.back:g}", row.bad, row.killed]


def plain(row: Row) -> dict[str, Any]:
    """Return a row as JSON-ready data."""
    return dataclasses.asdict(row)
