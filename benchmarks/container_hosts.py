"""Containers over SSH: a machine with an engine of its own, what a deploy there adds to the floor there, and bytes.

The machine is a network and a file system of its own on this one, made a host by ``lading host add``.
"""

import ctypes
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.asking import Asker
from benchmarks.calm import wait_for_calm
from benchmarks.containers import rollout
from benchmarks.figures import Figure, at_least, at_most, median, told
from benchmarks.hosts import (
    CUTS,
    RATE,
    UPLOAD,
    Crossing,
    address_of,
    changed,
    connecting,
    connection,
    cross,
    in_environment,
    own,
    released,
)
from benchmarks.house import ROOT
from benchmarks.till_house import NEW, OLD, TillHouse, floor
from lading.client.transfer import CHUNK
from lading.docker import Engine
from tests.machines import Client, Machine, machines, missing
from tests.uploads import ReleaseUpload

ENVIRONMENT = "far"
DOMAIN = "till.example.org"
TURNS = 7
HEALTH = "/health"
SOURCE = ROOT / "examples" / "cashback" / "cashback"  # lies in the image, so that a changed line has its usual company
NEW_NETWORK = 0x40000000  # CLONE_NEWNET, of setns
ALLOWED = 0.5  # seconds beside the floor and connecting
COMMAND = "python -m benchmarks.run bench container_hosts"
DEPLOY = f"lading deploy {ENVIRONMENT} {NEW}"
ROLLBACK = f"lading rollback {ENVIRONMENT}"


class Turn(NamedTuple):
    """Seconds of one turn; ``connecting`` is what each of the two commands had to do first."""

    floor: float
    deploy: float
    rollback: float
    connecting: float


class Sent(NamedTuple):
    """What one changed line cost: the crossing, and the bytes of ``docker save`` of the whole image."""

    crossing: Crossing
    saved: int


class InsideAsker(Asker):
    """Asks from within a machine's network, where its containers can be reached."""

    def __init__(self, machine: Machine, port: int, path: str, host: str) -> None:
        super().__init__(port, path, host)
        self._machine = machine

    def run(self) -> None:
        # For this thread alone, which makes the connections.
        with Path(f"/proc/{self._machine.pid}/ns/net").open() as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "the machine's network cannot be entered")
        super().run()


def measure(turns: int = TURNS, cuts: int = CUTS) -> list[dict[str, Any]]:
    """Make a machine a host, deploy there in turns with starts by hand there, send changes of one line, cut uploads."""
    with far_house() as (house, machine):
        house.rollout("deploy", ENVIRONMENT, NEW)
        house.rollout("rollback", ENVIRONMENT)
        taken = [_turn(house, machine) for _ in range(turns)]
        sent = [_sent(house, machine, turn) for turn in range(turns)]
        machine.slow(RATE)
        uploads = [_cut(house, machine, number) for number in range(cuts)]
    return [figure.plain() for figure in (*figures(taken, sent), *figures_of_cuts(uploads))]


@contextmanager
def far_house() -> Iterator[tuple[TillHouse, Machine]]:
    """Give a house with the till's releases, and a machine made a host by it, which serves the first of them."""
    if missing():
        raise RuntimeError(f"no other machine can be made here: {missing()}")
    with TillHouse() as house:
        client = Client(house.root / "client")
        house.environ.update(client.environ)
        with machines(client, "bench") as (machine,), in_environment(client.environ):
            host = house.lading("host", "add", address_of(machine), "--carry")[-1]["host"]["address"]
            where = f'\n[environments.{ENVIRONMENT}]\ntier = "stage"\nhost = "{host}"\ndomain = "{DOMAIN}"\n'
            house.take_till(OLD, NEW, more=where + 'strategy = { watch = "200ms" }\n', source=SOURCE)
            house.rollout("deploy", ENVIRONMENT, OLD)
            yield house, machine


def figures(taken: list[Turn], sent: list[Sent]) -> list[Figure]:
    """Return the figures of turns and crossings."""
    n = len(taken)
    ground, connect = median([turn.floor for turn in taken]), median([turn.connecting for turn in taken])
    deploy = median([turn.deploy - turn.connecting for turn in taken])
    back = median([turn.rollback - turn.connecting for turn in taken])
    wire = median([one.crossing.wire / (one.crossing.changed + one.crossing.record) for one in sent])
    share = median([one.crossing.wire / one.saved for one in sent])
    line = "one-line change of an image over SSH"
    return [
        told("containers over SSH: the floor there", ground, "s", "docker create + start", n),
        told("containers over SSH: connecting", connect, "s", "ssh", n),
        at_most("containers over SSH: deploy minus connecting minus floor", deploy - ground, "s", ALLOWED, DEPLOY, n),
        at_most("containers over SSH: (deploy minus connecting) ÷ floor", deploy / ground, "", 1.3, DEPLOY, n),
        at_most("containers over SSH: rollback minus connecting, previous still up", back, "s", ALLOWED, ROLLBACK, n),
        at_most(f"{line}: bytes on the wire ÷ (changed layers + manifest)", wire, "", 1.5, COMMAND, len(sent)),
        at_most(f"{line}: bytes on the wire ÷ docker save", share, "", 0.01, COMMAND, len(sent)),
        told(f"{line}: on the wire", int(median([one.crossing.wire for one in sent])), "bytes", COMMAND, len(sent)),
        told(f"{line}: docker save", int(median([one.saved for one in sent])), "bytes", COMMAND, len(sent)),
    ]


def figures_of_cuts(uploads: list[ReleaseUpload]) -> list[Figure]:
    """Return the figures of uploads that were cut."""
    whole = len([upload for upload in uploads if upload.cut])
    again = max(upload.again for upload in uploads)
    cut = "uploads of an image cut once at a random point"
    return [
        at_least(f"{cut} that went on and arrived whole", whole, "", CUTS, COMMAND, len(uploads)),
        at_most(f"{cut}: most of it sent again", again / CHUNK, "chunks", 1, COMMAND, len(uploads)),
    ]


def _turn(house: TillHouse, machine: Machine) -> Turn:
    line = connection(address_of(machine))
    asking = partial(Asker, 80, HEALTH, machine.address, DOMAIN)
    wait_for_calm()
    with asking():
        ground = floor(_serving(house, machine), OLD, _engine(machine), partial(InsideAsker, machine))
    line.close()
    wait_for_calm()
    deploy, _ = rollout(house, asking, NEW, "deploy", ENVIRONMENT, NEW)
    line.close()
    wait_for_calm()
    back, _ = rollout(house, asking, OLD, "rollback", ENVIRONMENT)
    return Turn(ground, deploy, back, connecting(line))


def _engine(machine: Machine) -> Engine:
    return Engine(f"/proc/{machine.pid}/root/run/docker.sock")


def _serving(house: TillHouse, machine: Machine) -> dict[str, Any]:
    """Return what the machine's engine knows of the instance that serves."""
    engine, pid = _engine(machine), house.status(ENVIRONMENT)["instances"][0]["pid"]
    found = [engine.get(f"/containers/{one['Id']}/json") for one in engine.get("/containers/json")]
    serving: dict[str, Any] = next(one for one in found if one["State"]["Pid"] == pid)
    return serving


def _sent(house: TillHouse, machine: Machine, turn: int) -> Sent:
    return Sent(cross(house, machine, changed(house, turn)), _saved())


def _cut(house: TillHouse, machine: Machine, number: int) -> ReleaseUpload:
    """Send an image with a large layer that is new to the machine, and cut its connection once on the way."""
    chance = random.Random(number)
    (house.project / SOURCE.name / "ballast").write_bytes(chance.randbytes(UPLOAD))
    house.git("add", "--all")
    house.git("commit", "--quiet", "--message", f"ballast {number}")
    point = chance.randrange(UPLOAD // 10, UPLOAD * 9 // 10)
    return ReleaseUpload(machine, released(house), own(house), [point]).run()


def _saved() -> int:
    """Return the bytes of ``docker save`` of the image that was built last."""
    size = 0
    with Engine().stream("GET", "/images/lading-build%2Ftill:app/get", timeout=600.0) as answer:
        while piece := answer.read(1 << 20):
            size += len(piece)
    return size
