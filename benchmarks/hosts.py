"""What another machine costs: bytes on its cable, uploads that are cut, and the time a command takes longer.

The machine is a network and a file system of its own on this one, with a real ``sshd``: its cable is as fast as memory,
and a round trip takes nearly no time; a far one is the same machine over a cable with a delay.
"""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.build import change_one_line
from benchmarks.calm import wait_for_calm
from benchmarks.cli import in_turns
from benchmarks.figures import Figure, at_least, at_most, median, told
from benchmarks.house import LADING, ROOT, House, cashback
from lading.client.address import parse_address
from lading.client.agent import Agent
from lading.client.local import agent_at
from lading.client.ssh.connection import Connection
from lading.client.transfer import CHUNK, release_path, send_release
from tests.machines import Client, Machine, machines, missing
from tests.uploads import Upload

HERE, THERE, FAR = "here", "there", "far"
TURNS = 7
CUTS = 10
UPLOAD = 24 << 20  # bytes of a blob that is cut
DELAY = 25  # milliseconds of a far machine's cable, each way
RATE = "400mbit"  # of the cable while it is cut: else a blob has crossed before anybody can cut it

DEPLOY = f"lading deploy {THERE}"
HERE_COMMAND = f"lading deploy {HERE}"
FAR_ADDRESS = f"ssh://root@{FAR}"
CABLE = ROOT / "benchmarks" / "delay.py"
STRATEGY = 'tier = "stage"\nstrategy = { watch = "0s" }\n'
COMMAND = "python -m benchmarks.run bench hosts"


class Crossing(NamedTuple):
    """One release on its way: bytes on the cable, of the changed layers and of its record, and of all its layers."""

    wire: int
    changed: int
    record: int
    whole: int


class Took(NamedTuple):
    """Seconds of a deploy's command, and what of them it took beside the rollout itself, which the agent times."""

    whole: float
    beside: float


class Turn(NamedTuple):
    """One turn: a deploy here, one there over an open connection and one over none, and one far away over none.

    ``connecting`` and ``far_connecting`` are the seconds of connecting alone.
    """

    here: Took
    there: Took
    cold: Took
    far: Took
    connecting: float
    far_connecting: float


def measure(turns: int = TURNS, cuts: int = CUTS) -> list[dict[str, Any]]:
    """Send changes of one line to another machine and deploy them, in turns with deploys here; then cut uploads."""
    if missing():
        raise RuntimeError(f"no other machine can be made here: {missing()}")
    with House() as house:
        client = Client(house.root / "client")
        house.environ.update(client.environ)
        with machines(client, "bench") as (machine,), in_environment(client.environ):
            machine.run(f"LADING_HOME=/var/lib/lading {LADING} agent start")
            _prepare(house, machine, client)
            crossings = [cross(house, machine, changed(house, turn)) for turn in range(turns)]
            times = [_deploy(house, machine, turn) for turn in range(turns)]
            status = in_turns([_status(HERE), _status(THERE)], turns, house.environ, house.project)
            machine.slow(RATE)
            points = [random.Random(number).randrange(UPLOAD // 10, UPLOAD * 9 // 10) for number in range(cuts)]
            uploads = [Upload(machine, size=UPLOAD, cuts=[at], seed=at).run() for at in points]
    return [figure.plain() for figure in figures(crossings, times, status, uploads)]


def figures(
    crossings: list[Crossing], times: list[Turn], status: list[list[float]], uploads: list[Upload]
) -> list[Figure]:
    """Return the figures of what was measured."""
    n = len(times)
    ratio = median([one.wire / (one.changed + one.record) for one in crossings])
    again = max(upload.again for upload in uploads)
    return [
        at_most("one-line change over SSH: bytes on the wire ÷ (changed layers + manifest)", ratio, "", 1.5, DEPLOY, n),
        told("of these, on the wire", int(median([one.wire for one in crossings])), "bytes", DEPLOY, n),
        told("of these, the whole release's layers", int(median([one.whole for one in crossings])), "bytes", DEPLOY, n),
        at_least(
            "uploads cut once at a random point that went on and arrived whole", len(uploads), "", CUTS, COMMAND, CUTS
        ),
        at_most("most of them sent again after a cut", again / CHUNK, "chunks", 1, COMMAND, len(uploads)),
        *_times(times),
        told("lading status over SSH minus here", median(status[1]) - median(status[0]), "s", "lading status", n),
    ]


def _times(times: list[Turn]) -> list[Figure]:
    """Compare what commands take beside their rollouts: what a rollout takes itself is the same, and wobbles more."""
    n = len(times)
    open_ = median([turn.there.beside - turn.here.beside for turn in times])
    cold = median([turn.cold.beside - turn.here.beside for turn in times])
    far = median([turn.far.beside - turn.here.beside for turn in times])
    connecting = median([turn.connecting for turn in times])
    far_connecting = median([turn.far_connecting for turn in times])
    trip = f"over a round trip of {2 * DELAY} ms"
    there = "deploy over SSH minus deploy here, beside the rollouts"
    return [
        told("deploy here, until its command ends", median([turn.here.whole for turn in times]), "s", HERE_COMMAND, n),
        told("of this, beside the rollout", median([turn.here.beside for turn in times]), "s", HERE_COMMAND, n),
        told("deploy over SSH, with its transfer", median([turn.there.whole for turn in times]), "s", DEPLOY, n),
        at_most(f"{there}, connection open", open_, "s", 0.5, DEPLOY, n),
        told("connecting", connecting, "s", "ssh", n),
        at_most(f"{there}, minus connecting", cold - connecting, "s", 0.5, DEPLOY, n),
        told(f"connecting {trip}", far_connecting, "s", "ssh", n),
        at_most(f"{there}, minus connecting, {trip}", far - far_connecting, "s", 1.0, f"lading deploy {FAR}", n),
    ]


def _prepare(house: House, machine: Machine, client: Client) -> None:
    cashback(house, "v1.0.0")
    with client.config.open("a") as config:
        config.write(
            f"Host {FAR}\n  HostName {machine.address}\n  ProxyCommand {sys.executable} {CABLE} %h %p {DELAY}\n"
        )
    manifest = house.project / "lading.toml"
    hosts = {HERE: "", THERE: f'host = "{address_of(machine)}"\n', FAR: f'host = "{FAR_ADDRESS}"\n'}
    tables = (f"\n[environments.{name}]\n{host}{STRATEGY}" for name, host in hosts.items())
    manifest.write_text(manifest.read_text("utf-8") + "".join(tables), "utf-8")
    # Committed: releases are built of it, again and again.
    house.git("commit", "--quiet", "--all", "--message", "environments of the benchmark")
    for environment in hosts:
        house.give_secrets(environment)
        house.rollout("deploy", environment)


def address_of(machine: Machine) -> str:
    """Return the address of a machine's agent."""
    return f"ssh://root@{machine.address}"


def changed(house: House, turn: int) -> dict[str, Any]:
    """Change one line, release it, and return the release as the own agent knows it."""
    change_one_line(house, turn)
    return released(house)


def released(house: House) -> dict[str, Any]:
    """Release what is committed and return the release as the own agent knows it."""
    version = house.lading("release")[-1]["release"]["version"]
    found: dict[str, Any] = own(house).get(release_path(house.name, version))
    return found


def own(house: House) -> Agent:
    """Return the house's own agent."""
    return agent_at(f"unix://{house.home}")


def cross(house: House, machine: Machine, release: dict[str, Any]) -> Crossing:
    """Send a release to a machine that has the one before, and return what that took."""
    target = Agent(parse_address(address_of(machine)))
    target.get("/v1/agent")
    before = machine.wire()
    moved = send_release(release, own(house), target)
    wire = machine.wire() - before
    whole = sum(layer["size"] for artifact in release["artifacts"] for layer in artifact["layers"])
    return Crossing(wire, moved.size, len(json.dumps(release)), whole)


def _deploy(house: House, machine: Machine, turn: int) -> Turn:
    """Deploy four new releases: here, there over an open connection, there over none, and far over none."""
    near, far = connection(address_of(machine)), connection(FAR_ADDRESS)
    near.open()
    far.close()
    here, there = _timed(house, turn, 0, HERE), _timed(house, turn, 1, THERE)
    near.close()
    cold, beyond = _timed(house, turn, 2, THERE), _timed(house, turn, 3, FAR)
    return Turn(here, there, cold, beyond, connecting(near), connecting(far))


def _timed(house: House, turn: int, number: int, environment: str) -> Took:
    version = changed(house, 1000 + turn * 10 + number)["version"]
    wait_for_calm()
    began = time.monotonic()
    rollout = house.rollout("deploy", environment, version)
    whole = time.monotonic() - began
    return Took(whole, whole - rollout["seconds"])


def connecting(line: Connection) -> float:
    """Return the seconds that connecting takes."""
    line.close()
    began = time.monotonic()
    line.open()
    return time.monotonic() - began


def connection(address: str) -> Connection:
    """Return the connection to an agent's host."""
    host = parse_address(address).host
    assert host is not None
    return Connection(host)


def _status(environment: str) -> list[str]:
    return [LADING, "status", environment]


@contextmanager
def in_environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the length of the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
