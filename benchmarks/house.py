"""A temporary home with an agent of its own, driven through the installed ``lading`` command, and always halted."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
LADING = str(Path(sys.executable).parent / "lading")

# Below the ports that the kernel gives to outgoing connections, so that none of them is in the way.
FIRST_PORT, LAST_PORT = 21000, 32000
ROUTER_PORTS = 8
INSTANCE_PORTS = 400

COMMAND_LIMIT = 180.0  # seconds any command may take
POLL = 0.02  # seconds between two looks at a condition

T = TypeVar("T")


class House:
    """An agent's home, a project's repository, and the command line between them.

    Use it as a context manager: at its end whatever it serves is stopped, and its files are removed.
    """

    name = "cashback"  # of the project

    def __init__(self) -> None:
        self._ends = ExitStack()
        self.root = Path(tempfile.mkdtemp(prefix="lading-bench-"))
        self.home = self.root / "home"
        self.project = self.root / "project"
        self.environ = {**os.environ, "LADING_HOME": str(self.home)}

    def __enter__(self) -> "House":
        self._ends.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.home.mkdir(mode=0o711)
        # Others may pass through, so that an agent that is root can give each environment a user of its own.
        self.root.chmod(0o711)
        first = free_ports(ROUTER_PORTS + INSTANCE_PORTS)
        (self.home / "agent.toml").write_text(
            f"[router]\nports_from = {first}\nports = {ROUTER_PORTS}\n"
            f"[process]\nports_from = {first + ROUTER_PORTS}\nports = {INSTANCE_PORTS}\n"
        )
        self._ends.callback(self._halt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    def _halt(self) -> None:
        if (self.home / "journal.db").exists():
            self.lading("agent", "stop", "--everything")

    # the command line

    def lading(self, *words: str, given: str | None = None, allowed: Sequence[int] = (0,)) -> list[dict[str, Any]]:
        """Run ``lading --json WORDS`` in the project and return what it printed; RuntimeError when it fails."""
        done = self._run(words, given)
        if done.returncode not in allowed:
            raise RuntimeError(f"lading {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return _lines(done)

    def status_of(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        """Run ``lading --json WORDS`` and return its exit status, whichever, and what it printed."""
        done = self._run(words, None)
        return done.returncode, _lines(done)

    def _run(self, words: Sequence[str], given: str | None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [LADING, "--json", *words],
            cwd=self.project if self.project.exists() else self.root,
            env=self.environ,
            input=given or "",
            capture_output=True,
            text=True,
            timeout=COMMAND_LIMIT,
        )

    def rollout(self, *words: str) -> dict[str, Any]:
        """Run a command that opens a rollout and return its result; RuntimeError unless it succeeded."""
        result: dict[str, Any] = self.lading(*words)[-1]["rollout"]
        if result["outcome"] != "succeeded":
            raise RuntimeError(f"lading {' '.join(words)}: {result}")
        return result

    def status(self, environment: str) -> dict[str, Any]:
        """Return what the environment serves."""
        found: dict[str, Any] = self.lading("status", environment)[-1]["environments"][0]
        return found

    def database(self, environment: str) -> Path:
        """Return the file of an environment's database."""
        return self.home / "environments" / self.name / environment / "databases" / "main" / "main.db"

    def agent(self) -> dict[str, Any]:
        """Return what the agent says of itself."""
        about: dict[str, Any] = self.lading("agent", "status")[-1]["agent"]
        return about

    # the project

    def take_cashback(self) -> None:
        """Make the repository of the example application."""
        script = ROOT / "examples" / "make_repository.py"
        subprocess.run([sys.executable, str(script), "cashback", str(self.project)], check=True, capture_output=True)

    def checkout(self, tag: str) -> None:
        """Check a version of the project out."""
        self.git("checkout", "--quiet", "--force", tag)

    def git(self, *words: str) -> str:
        """Run git in the project."""
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "core.hooksPath=/dev/null")
        done = subprocess.run(["git", *who, *words], cwd=self.project, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def add_environment(self, name: str, **strategy: str) -> None:
        """Add an environment of the tier stage to the manifest in the work tree; releases are built without it."""
        told = ", ".join(f'{key} = "{value}"' for key, value in strategy.items())
        manifest = self.project / "lading.toml"
        table = f'\n[environments.{name}]\ntier = "stage"\nstrategy = {{ {told} }}\n'
        manifest.write_text(manifest.read_text("utf-8") + table, "utf-8")

    def give_secrets(self, environment: str) -> None:
        """Give an environment the secrets that the example application needs."""
        for name in ("JWT_KEY", "SMOKE_TOKEN"):
            self.lading("secrets", "set", environment, name, given=secrets.token_hex(16))


def _lines(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cashback(house: House, *releases: str) -> None:
    """Make the example's repository and build its releases; the last one stays checked out."""
    house.take_cashback()
    for tag in releases:
        house.checkout(tag)
        house.lading("release")


def free_ports(count: int) -> int:
    """Return the first of ``count`` neighbouring loopback ports that are free now."""
    start = FIRST_PORT + secrets.randbelow((LAST_PORT - FIRST_PORT) // count) * count
    places = (LAST_PORT - FIRST_PORT) // count
    for place in range(places):
        first = FIRST_PORT + (start - FIRST_PORT + place * count) % (places * count)
        if all(_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError(f"no {count} neighbouring free ports between {FIRST_PORT} and {LAST_PORT}")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def until(condition: Callable[[], T], within: float, what: str) -> T:
    """Wait until the condition is true and return what it gave; TimeoutError saying what never was."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(POLL)
    return value
