"""Carries the steps of a host out: sends what they need, runs them, and waits until the agent answers."""

import hashlib
import io
import tarfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from lading.client.address import Address, SshHost
from lading.client.agent import Agent
from lading.client.hosts import wheel
from lading.client.hosts.look import HOME, PLACE, pythons
from lading.client.hosts.step import Step
from lading.client.ssh.connection import Connection
from lading.client.ssh.problems import command
from lading.model.errors import LadingError
from lading.model.interface import SOCKET

STEP_TIMEOUT = 900.0  # seconds a step may take: packages may come over a slow line
ANSWER_WITHIN = 30.0  # seconds an agent may take from its start to its first answer
ANSWER_POLL = 0.1  # seconds between looks
SHOWN_LINES = 8


class Cargo(NamedTuple):
    """What a host gets: the build's name (version and digest), and an archive of wheels and constraints."""

    build: str
    archive: Callable[[], bytes]


def cargo(*, offline: bool = False) -> Cargo:
    """Return this very Lading as a host gets it; ``offline``: with all that it needs, else with the versions of it."""
    name, data = wheel.own_wheel()
    needs = wheel.requirements()
    constraints = "".join(f"{needed}=={number}\n" for needed, number in needs.items())
    digest = hashlib.sha256(data + constraints.encode()).hexdigest()[:12]

    def archive() -> bytes:
        files = {name: data, "constraints.txt": constraints.encode()}
        if offline:
            files |= dict(wheel.wheel_of(needed) for needed in needs)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for file, content in files.items():
                entry = tarfile.TarInfo(file)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    return Cargo(f"{version(wheel.NAME)}-{digest}", archive)


def carry_out(connection: Connection, step: Step, load: Cargo) -> None:
    """Carry out one step that is needed.

    Raise ``host-failed`` when it fails; what was done before stays, and the same command goes on from there.
    """
    if step.name == "lading" and load.build:
        _send(connection, load)
    head = f"set -eu\nPYTHONS='{pythons()}'\nmkdir -p {PLACE}\n"
    # Read whole before it begins: what it starts must not read on in it.
    script = f"{{\n{head}{step.script}\nexit 0\n}}\n"
    _check(connection, f"step {step.name}", connection.run("sh -s", script.encode(), timeout=STEP_TIMEOUT))


def agent_of(host: SshHost, build: str) -> dict[str, Any]:
    """Wait until a host's agent of this build answers, and return what it says of itself.

    Raise ``host-failed`` with the last lines of its log when it does not.
    """
    agent = Agent(Address(Path(HOME, SOCKET), local=False, host=host))
    deadline = time.monotonic() + ANSWER_WITHIN
    last: LadingError | None = None
    while time.monotonic() < deadline:
        try:
            about: dict[str, Any] = agent.get("/v1/agent")
        except LadingError as error:
            if error.code != "agent-unreachable":
                raise
            last = error
        else:
            return about
        time.sleep(ANSWER_POLL)
    log = Connection(host).run(f"tail -n {SHOWN_LINES} {HOME}/agent.log {HOME}/supervise.log 2>/dev/null")
    lines = log.out.decode(errors="replace").splitlines()
    raise LadingError(
        "host-failed",
        doing=f"waiting for the agent of {host}",
        happened=last.happened if last else "it does not answer",
        details=tuple(lines[-SHOWN_LINES:]),
        now=f"{build} is installed; what was served goes on being served",
        hint=f"see its log: {command(host)} tail -n 50 {HOME}/agent.log",
    )


def _send(connection: Connection, load: Cargo) -> None:
    place = f"{PLACE}/arrived"
    into = f"set -e; umask 022; rm -rf {place}; mkdir -p {place}; tar -xf - -C {place} --no-same-owner"
    _check(connection, "sending Lading", connection.run(into, load.archive(), timeout=STEP_TIMEOUT))


def _check(connection: Connection, doing: str, done: Any) -> None:
    if done.status == 0:
        return
    said = (done.err + done.out.decode(errors="replace")).strip().splitlines()
    raise LadingError(
        "host-failed",
        doing=f"{doing} on {connection.host}",
        happened=f"it ended with exit status {done.status}",
        details=tuple(said[-SHOWN_LINES:]),
        now="the steps before it are done, and nothing after it",
        hint="mend what it says; the same command again goes on from there",
    )
