"""Real agents: the command line, the daemon, Traefik, instances, all of it in a home and on ports of its own."""

import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import weakref
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lading.engine.faults import Fault, to_environment
from lading.model.interface import CARD, SOCKET
from tests.projects import NAME, TOKEN, VERSIONS, make_project
from tests.support import until
from tests.support_agent import git

LADING = str(Path(sys.executable).with_name("lading"))
PORTS_EACH = 40  # ports an agent may use: half for its router, half for instances
PORT_RANGES = 280  # as many agents as may have ports at a time
COMMAND_LIMIT = 90.0  # seconds a command may take

# What makes a home an agent of its own; everything else of a template may be shared out.
OF_ONE_AGENT = frozenset(
    {"agent.json", "agent.lock", "agent.log", "agent.name", "agent.sock", "agent.toml"}
) | frozenset({"docker", "environments", "keys", "process", "router", "spool"})

LOG_SHOWN = 6_000  # characters of an agent's log that a failing test shows

_agents = itertools.count()
_made: "weakref.WeakSet[RealAgent]" = weakref.WeakSet()


class Told(NamedTuple):
    """What a command said: exit status, the JSON lines of its output, its standard error."""

    exit: int
    lines: tuple[dict[str, Any], ...]
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The result object, which is the last line."""
        assert self.lines, f"exit status {self.exit}, nothing said: {self.err}"
        return self.lines[-1]

    @property
    def rollout(self) -> dict[str, Any]:
        """The rollout of the result object."""
        found: dict[str, Any] = self.result["rollout"]
        return found

    @property
    def outcome(self) -> str:
        """How the rollout ended."""
        return str(self.rollout["outcome"])

    @property
    def error(self) -> dict[str, Any]:
        """The error beside the result."""
        found: dict[str, Any] = self.result["error"]
        return found

    def step(self, name: str) -> dict[str, Any]:
        """The last step of that name."""
        found: dict[str, Any] = [step for step in self.rollout["steps"] if step["name"] == name][-1]
        return found

    def said(self, name: str) -> str:
        """What the last step of that name said when it was done."""
        events = [line["event"] for line in self.lines if "event" in line]
        return str([event["text"] for event in events if (event["kind"], event.get("name")) == ("done", name)][-1])


def traces_since(moment: float) -> list[tuple[str, str]]:
    """Return what this process's agents left since then (Unix time): ends of logs, and commands that did not do it."""
    agents = sorted(_made, key=lambda agent: agent.home)
    logs = [agent.home / "agent.log" for agent in agents]
    found = [
        (f"end of {file}", file.read_text(errors="replace")[-LOG_SHOWN:])
        for file in logs
        if file.exists() and file.stat().st_mtime >= moment
    ]
    failed = [one for agent in agents for one in agent.failed if one[0] >= moment]
    return found + [(words, text[-LOG_SHOWN:]) for _, words, text in failed]


class RealAgent:
    """An agent's home, and the command line as its user types it in a project of a name."""

    def __init__(self, home: Path, project: Path, *, name: str = NAME, settings: str = "") -> None:
        self.home = home
        self.project = project
        self.name = name
        self.first_port = _ports()
        self._begun: list[subprocess.Popen[str]] = []
        self.failed: deque[tuple[float, str, str]] = deque(maxlen=3)  # moment, words, output
        _made.add(self)
        home.mkdir(parents=True, exist_ok=True)
        (home / "agent.toml").write_text(
            f"{settings}\n[router]\nports_from = {self.first_port}\nports = 4\n"
            f"[process]\nports_from = {self.first_port + PORTS_EACH // 2}\nports = {PORTS_EACH // 2}\n"
        )

    # the command line

    def lading(self, *words: str, typed: str = "", environ: Mapping[str, str] | None = None) -> Told:
        """Run a command with ``--json`` to its end."""
        process = self.begin(*words, environ=environ)
        return self.told(process, typed)

    def begin(self, *words: str, environ: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
        """Start a command with ``--json`` and return it running."""
        process = subprocess.Popen(
            [LADING, "--json", *words],
            cwd=self.project,
            env={**_environment(self.home), **(environ or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._begun = [*(one for one in self._begun if one.poll() is None), process]
        return process

    def told(self, process: "subprocess.Popen[str]", typed: str = "") -> Told:
        """Wait for a command and return what it said."""
        try:
            out, err = process.communicate(typed, timeout=COMMAND_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{process.args} did not end: {out[-2000:]} {err[-500:]}") from None
        if process.returncode != 0:
            self.failed.append((time.time(), str(process.args), f"exit status {process.returncode}\n{out}{err}"))
        return Told(process.returncode, tuple(json.loads(line) for line in out.splitlines()), err)

    def deploy(self, version: str, environment: str = "local") -> Told:
        """Deploy a release."""
        return self.lading("deploy", environment, version)

    def rollback(self, environment: str = "local") -> Told:
        """Roll back."""
        return self.lading("rollback", environment)

    def secret(self, environment: str, name: str = "TOKEN", value: str = TOKEN) -> None:
        """Give an environment a secret."""
        assert self.lading("secrets", "set", environment, name, typed=value).exit == 0

    def checkout(self, version: str) -> None:
        """Put the project's work tree at a version."""
        git(self.project, "checkout", "-q", "--detach", version)

    # the agent

    @property
    def pid(self) -> int:
        """The agent's process, 0 when it does not run."""
        try:
            pid = int(json.loads((self.home / CARD).read_text())["pid"])
        except (OSError, ValueError):
            return 0
        # The card of one that was killed is left, and its number may be somebody else's by now.
        return pid if str(self.home).encode() in _words_of(pid) else 0

    def start(self, *faults: Fault, trace: Path | None = None) -> None:
        """Start the agent, with faults if any are given; wait until it answers."""
        environ = {"LADING_FAULTS": to_environment(faults)} if faults or trace else {}
        if trace is not None:
            environ["LADING_FAULTS_TRACE"] = str(trace)
        told = self.lading("agent", "start", environ=environ)
        assert told.exit == 0, told

    def stop(self) -> None:
        """End the agent alone."""
        told = self.lading("agent", "stop")
        assert told.exit == 0, told

    def restart(self, *faults: Fault, trace: Path | None = None) -> None:
        """End the agent alone and start it, with faults if any are given."""
        self.stop()
        self.start(*faults, trace=trace)

    def kill(self) -> None:
        """Kill the agent the way a crash does."""
        pid = self.pid
        if pid:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not is_running(pid))

    def processes(self) -> list[int]:
        """Return every process of this home: agent, router, holder, keepers, instances, clients."""
        mark = str(self.home).encode()
        return [pid for pid in _pids() if mark in _words_of(pid)]

    def instance_of(self, pid: int) -> str:
        """Return the name of the instance whose program a process is, empty for any other process."""
        words = _words_of(pid).split(b"\0")
        if b"keeper.sh" in b" ".join(words[:3]):
            return ""
        found = next((word for word in words if word.startswith(b"LADING_INSTANCE=")), b"")
        return found.partition(b"=")[2].decode()

    def instances(self) -> set[str]:
        """Return the names of the instances that run, as the machine has them."""
        return {self.instance_of(pid) for pid in self.processes()}

    def reboot(self) -> None:
        """Kill everything, as a machine that loses power does. Nothing is started again."""
        self.kill()
        while left := self.processes():
            for pid in left:
                kill(pid)
        (self.home / SOCKET).unlink(missing_ok=True)

    def end(self) -> None:
        """Stop everything; raise AssertionError when something was left running."""
        for command in self._begun:
            if command.poll() is None:
                # It would start the agent again.
                command.kill()
                command.communicate()
        if not self.processes() and not (self.home / SOCKET).exists():
            return
        told = self.lading("agent", "stop", "--everything")
        left = {pid: _words_of(pid)[:200] for pid in self.processes()}
        self.reboot()
        assert told.exit == 0, told
        assert not left, f"left running after the agent stopped everything: {left}"

    # what is there

    def environment(self, name: str = "local") -> dict[str, Any]:
        """Return what ``lading status`` says of an environment."""
        told = self.lading("status", name)
        assert told.exit == 0, told
        found: dict[str, Any] = told.result["environments"][0]
        return found

    def url(self, name: str = "local") -> str:
        """Return where an environment answers."""
        return str(self.environment(name)["url"])

    def rollouts(self) -> list[tuple[int, str | None]]:
        """Return number and outcome of every rollout, as the journal has them."""
        with closing(sqlite3.connect(f"file:{self.home / 'journal.db'}?mode=ro", uri=True, timeout=10)) as journal:
            return list(journal.execute("SELECT id, outcome FROM rollouts ORDER BY id"))

    def unfinished(self) -> list[int]:
        """Return the rollouts without an outcome: what an environment is busy with."""
        return [number for number, outcome in self.rollouts() if outcome is None]

    def settle(self, within: float = 30.0) -> str:
        """Wait until every rollout has its outcome; return the last one's."""
        until(lambda: not self.unfinished(), within=within, what="every rollout has its outcome")
        return str(self.rollouts()[-1][1])

    def orders(self, environment: str = "local") -> list[str]:
        """Return the ids of the orders in an environment's database."""
        with closing(sqlite3.connect(f"file:{self.database(environment)}?mode=ro", uri=True, timeout=10)) as database:
            return [row[0] for row in database.execute("SELECT id FROM orders")]

    def database(self, environment: str = "local") -> Path:
        """Return the file of an environment's database."""
        return next((self.home / "environments" / self.name / environment).rglob("main.db"))


def answer(url: str, body: bytes | None = None, within: float = 5.0) -> tuple[int, str]:
    """Ask once and return status and text; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=within) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def release_at(url: str, within: float = 5.0) -> str:
    """Return the release that answers at a URL, as its answers say in ``x-release``; empty where nobody answers."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=within) as response:
            return str(response.headers["x-release"])
    except OSError:
        return ""


def port_of(url: str) -> int:
    """Return the port of a URL."""
    return int(url.rpartition(":")[2])


def kill(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    until(lambda: not is_running(pid), within=10.0)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# homes


def make_template(place: Path) -> Path:
    """Return a home in which every version of the project is built, made once for all who share ``place``."""
    home = place / "template"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            shutil.rmtree(place / "project", ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)
            fill(RealAgent(home, make_project(place / "project")))
            (place / "made").touch()
    return place


def fill(agent: RealAgent, versions: Sequence[str] = VERSIONS) -> None:
    """Build versions of the project, give each environment its secret, and end the agent."""
    try:
        for version in versions:
            agent.checkout(version)
            told = agent.lading("release")
            assert told.exit == 0, told
        agent.checkout(VERSIONS[0])
        for environment in ("local", "stage", "production"):
            agent.secret(environment)
    finally:
        agent.end()


def copy_of(template: Path, place: Path, *, settings: str = "", kind: "type[RealAgent] | None" = None) -> RealAgent:
    """Return an agent with a fresh home and project in which everything is built and nothing was deployed."""
    shutil.copytree(template / "project", place / "project", symlinks=True)
    (place / "home").mkdir()
    for entry in (template / "template").iterdir():
        if entry.name in OF_ONE_AGENT:
            continue
        copy = shutil.copytree if entry.is_dir() else shutil.copy2
        copy(entry, place / "home" / entry.name, **({"symlinks": True} if entry.is_dir() else {}))
    return (kind or RealAgent)(place / "home", place / "project", settings=settings)


@contextmanager
def ended(agents: Sequence[RealAgent]) -> Iterator[None]:
    """End every agent at the end of the block, whatever happened; a failing end fails last."""
    try:
        yield
    finally:
        problems = []
        for agent in agents:
            try:
                agent.end()
            except AssertionError as error:
                problems.append(error)
        if problems:
            raise problems[0]


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    passed = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_", "PIP_", "HTTP"))}
    return {**passed, **kept, "LADING_HOME": str(home), "NO_COLOR": "1"}


def _ports() -> int:
    """Return the first of the ports that an agent of this process may use: below those of outgoing connections."""
    start = os.getpid() * 7 + next(_agents)
    for number in range(start, start + PORT_RANGES):
        place = number % PORT_RANGES
        first = 9000 + place * PORTS_EACH
        if _claimed(place) and all(_free(port) for port in range(first, first + PORTS_EACH)):
            return first
    raise AssertionError(f"no {PORTS_EACH} free ports in a row")


def _claimed(place: int) -> bool:
    """Claim a range of ports for the life of this process, so that other test runs on this machine leave it alone."""
    folder = Path(tempfile.gettempdir()) / f"lading-test-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    claim = os.open(folder / str(place), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        return False
    # Left open: the kernel lets go of the claim when this process ends, however it ends.
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _words_of(pid: int) -> bytes:
    """Return a process's command line and environment, nothing for one that is gone."""
    if not is_running(pid):
        return b""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() + b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
