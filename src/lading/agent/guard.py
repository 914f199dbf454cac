"""The guard of a hold: ``python -m lading.agent.guard FOLDER``, what to run on standard input.

A composition of its own, since it outlives the agent: the runtime's hold with the custody of the databases.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

import msgspec

from lading.data.custody import custody_of
from lading.runtime.process.hold import Folder, Hold
from lading.runtime.process.launcher import Prepared

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
    folder = Folder(Path(sys.argv[1]))
    try:
        order = msgspec.json.decode(sys.stdin.buffer.read(), type=Prepared | None)
    except msgspec.DecodeError:
        # The agent died while it was telling; nothing has begun, and the next one finds that.
        return 1
    plan = folder.plan()
    lock = folder.await_lock()
    if plan is None or lock is None:
        return 1
    folder.sign(lock)
    Hold(folder, plan, custody_of(plan.place)).carry(order)
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
