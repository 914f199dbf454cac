"""Starts this user's own agent when a command needs it and it does not run."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lading.client.address import Address, local_address, parse_address
from lading.client.agent import Agent
from lading.client.wire import connect_unix
from lading.model.errors import BUSY, LadingError
from lading.model.interface import LOG

START_TIMEOUT = 20.0  # seconds an agent may take until its socket accepts connections
START_POLL = 0.01  # seconds between looks at the socket
LOG_LOOKS = 0.2  # seconds between looks at the log of an agent that is starting
HELD_PAUSE = 0.2  # seconds before a home that another agent has is tried again
SHOWN_LOG_LINES = 8

# Agents outlive the command that started them; dropping the handle would warn about a process still running.
_started: list[subprocess.Popen[bytes]] = []


def agent_at(host: str | None, begin: Callable[[Address], None] | None = None) -> Agent:
    """Return the agent that ``host`` names; this user's own is started when it does not run.

    ``begin`` starts it, :func:`start` unless given.
    """
    address = parse_address(host)
    return Agent(address, start=(lambda: (begin or start)(address)) if address.local else None)


def start(address: Address | None = None, tell: Callable[[str], None] = lambda _line: None) -> None:
    """Start the agent detached and return once its socket accepts connections; quiet when it runs already.

    Meanwhile ``tell`` is given the last line of its log, now and then.

    Raise ``agent-unreachable`` with the last lines of its log when it ends at once or takes too long.
    """
    address = address or local_address()
    if answers(address):
        return
    home = address.home
    _make_home(home)
    log_start = _size(home / LOG)
    process = _spawn(home)
    deadline = time.monotonic() + START_TIMEOUT
    looked = time.monotonic()
    while time.monotonic() < deadline:
        if answers(address):
            return
        if process.poll() is not None:
            if process.returncode != BUSY:
                break
            # Who has the home is just coming or just going; in the latter case it is ours next.
            time.sleep(HELD_PAUSE)
            process = _spawn(home)
        if time.monotonic() - looked > LOG_LOOKS:
            looked = time.monotonic()
            tell("".join(_written(home, log_start)[-1:]))
        time.sleep(START_POLL)
    raise _failed(home, process.poll(), log_start)


def answers(address: Address) -> bool:
    """Tell whether somebody accepts connections at the address."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            connect_unix(sock, address.socket)
        except OSError:
            return False
        return True


def _make_home(home: Path) -> None:
    try:
        if not home.exists():
            home.mkdir(parents=True, exist_ok=True)
            home.chmod(0o711)  # whatever the umask
    except OSError as error:
        raise LadingError(
            "agent-unreachable",
            doing="starting the agent",
            happened=f"its home {home} cannot be made: {error.strerror}",
            hint="set LADING_HOME to a directory you may write",
        ) from error


def _spawn(home: Path) -> subprocess.Popen[bytes]:
    # A session of its own, so that neither Ctrl-C nor the end of this terminal reaches the agent.
    with os.fdopen(os.open(home / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lading.agent", "--home", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )
    _started.append(process)
    return process


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _written(home: Path, log_start: int) -> list[str]:
    written = (home / LOG).read_bytes()[log_start:] if (home / LOG).exists() else b""
    return written.decode(errors="replace").splitlines()


def _failed(home: Path, exit_status: int | None, log_start: int) -> LadingError:
    lines = _written(home, log_start)[-SHOWN_LOG_LINES:]
    took = f"it did not accept connections within {START_TIMEOUT:g} s"
    return LadingError(
        "agent-unreachable",
        doing=f"starting the agent in {home}",
        happened=f"it ended at once with exit status {exit_status}" if exit_status is not None else took,
        details=tuple(f"agent.log: {line}" for line in lines),
        hint=f"the whole log: {home / LOG}",
    )
