"""The guard of a hold: ``python -m lading.agent.guard [ROOT SOCKET] FOLDER``, what to run on standard input.

``ROOT`` is the docker runtime's directory, ``SOCKET`` its engine's: processes and containers may write to the same
database, in an environment that changes from one to the other. A composition of its own, since it outlives the agent:
the runtimes' holds with the custody of the databases.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from lading.data.custody import custody_of
from lading.docker import Engine
from lading.model import typed
from lading.runtime.docker.held import ContainerWork, PausedContainers
from lading.runtime.process.held import ProcessWork, StoppedProcesses
from lading.runtime.process.hold import Folder, Hold, HoldPlan, Still, Work
from lading.runtime.process.holds import Order

# A machine that shuts down asks everybody to end; what stands frozen has to be let go first.
ASKED_TO_END = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE)

FIRST = -10  # steps of priority before everybody else


def main() -> int:
    """Carry the hold to its end; return 1 when another guard is at work or the order never arrived whole."""
    for number in ASKED_TO_END:
        # Not ignored, which the run would inherit: a handler is the guard's alone.
        signal.signal(number, lambda *_: None)
    # Requests wait for it, so it goes first, where that may be asked for; what it runs inherits that.
    with contextlib.suppress(OSError):
        os.nice(FIRST)
    *engine, place = sys.argv[1:]
    folder = Folder(Path(place))
    try:
        order = typed.decode(sys.stdin.buffer.read(), Order | None)
    except msgspec.DecodeError:
        # The agent died while it was telling; nothing has begun, and the next one finds that.
        return 1
    plan = folder.plan()
    lock = folder.await_lock()
    if plan is None or lock is None:
        return 1
    folder.sign(lock)
    still, work = _compose(folder, plan, order, *engine)
    Hold(folder, plan, custody_of(plan.place), still).carry(work, begin=order is not None)
    os.close(lock)
    return 0


def _compose(
    folder: Folder, plan: HoldPlan, order: Order | None, root: str = "", socket: str = ""
) -> tuple[tuple[Still, ...], Work]:
    """Return who stands still, and what runs meanwhile."""
    processes = StoppedProcesses(folder, plan)
    if not root:
        return (processes,), ProcessWork(plan, order.process if order is not None else None)
    containers = PausedContainers(folder, plan, Engine(socket), Path(root))
    if plan.kind == "image":
        return (processes, containers), ContainerWork(plan, Engine(socket), Path(root))
    return (processes, containers), ProcessWork(plan, order.process if order is not None else None)


if __name__ == "__main__":
    sys.exit(main())
