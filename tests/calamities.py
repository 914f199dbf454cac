"""What befalls a machine: power lost, disks full, ports taken, bytes changed. Each is done for real, and undone."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lading.client.address import parse_address
from lading.client.agent import Agent
from lading.engine.faults import Fault
from lading.model.errors import LadingError
from tests.agents import RealAgent, answer
from tests.projects import NAME
from tests.strikes import ROLLOUTS, port
from tests.support import until

TABLE = {"strategy": {"watch": 0.3}}


def ask_for(agent: RealAgent, version: str, environment: str = "local") -> None:
    """Ask for a deploy as a client does that vanishes at once and never starts an agent."""
    request = {
        "kind": "deploy",
        "project": NAME,
        "environment": environment,
        "version": version,
        "table": TABLE,
        "requested_by": "nobody@nowhere",
    }
    with contextlib.suppress(LadingError):  # the agent may die before it has answered
        Agent(parse_address(f"unix://{agent.home}")).post("/v1/rollouts", request)


# the machine goes down


def reboot_at(
    agent: RealAgent, version: str, point: str, at: int = 1, down: Callable[[], object] | None = None
) -> float:
    """Lose power at a point of a deploy, start the agent, and return the seconds until requests are served again.

    ``down`` is what losing power means where it is more than the end of all the agent's processes.
    """
    url = f"http://127.0.0.1:{port(agent)}/"
    agent.restart(Fault(point=point, act="kill", at=at, thread=ROLLOUTS))
    ask_for(agent, version)
    until(lambda: not agent.pid, within=20, what=f"the agent died at {point}")
    (down or agent.reboot)()
    assert answer(url)[0] == 0
    began = time.monotonic()
    agent.start()
    until(lambda: answer(url)[0] == 200, within=20, what="requests are served again")
    return time.monotonic() - began


# the disk fills up


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Give a file system of its own in memory; needs root."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill a disk to its last byte for the length of the block."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
        _last_bytes(ballast)
        yield
    finally:
        ballast.unlink()


def _last_bytes(ballast: Path) -> None:
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))


def can_mount() -> bool:
    """Tell whether this process may mount a file system."""
    if os.geteuid() != 0:
        return False
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return done.returncode == 0


# the agent stands still for a moment


@contextmanager
def halted_at(agent: RealAgent, version: str, point: str, at: int = 1) -> Iterator[None]:
    """Deploy, hold the agent at a point for the length of the block, and let it go on then."""
    agent.restart(Fault(point=point, act="stop", at=at, thread=ROLLOUTS))
    pid = agent.pid
    asking = threading.Thread(target=ask_for, args=(agent, version))
    asking.start()
    until(lambda: _state(pid) == "T", within=20, what=f"the agent stands still at {point}")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        asking.join()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


# ports and bytes


@contextmanager
def taken(ports: Sequence[int]) -> Iterator[None]:
    """Hold ports for the length of the block, as another program would; those in use already are left alone."""
    with contextlib.ExitStack() as held:
        for number in ports:
            with contextlib.suppress(OSError):
                _hold(held, number)
        yield


@contextmanager
def taken_over(number: int) -> Iterator[None]:
    """Hold a port whose holder was just killed; the kernel takes a moment to close what a dead program had open."""

    def held_now() -> bool:
        with contextlib.suppress(OSError):
            _hold(held, number)
            return True
        return False

    with contextlib.ExitStack() as held:
        until(held_now, what=f"port {number} is free")
        yield


def _hold(held: contextlib.ExitStack, number: int) -> None:
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", number))
    listener.listen()


def change_byte(file: Path) -> None:
    """Change the middle byte of a file behind everybody's back, whatever its mode says; its time stays."""
    status = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    file.chmod(status.st_mode)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def layer_of(agent: RealAgent, version: str, role: str) -> dict[str, str]:
    """Return the layer of a release as its agent knows it."""
    release = Agent(parse_address(f"unix://{agent.home}")).get(f"/v1/releases/{agent.name}/{version}")
    found: dict[str, str] = next(layer for layer in release["artifacts"][0]["layers"] if layer["role"] == role)
    return found
