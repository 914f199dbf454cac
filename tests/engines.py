"""An engine of one's own for what nobody else's engine may suffer: killed, starved of disk, robbed of its networks.

``python -m tests.engines MODULE ARGUMENT …`` runs a module, as root, in a network of its own with nothing but loopback
and with a /run of its own, so that the engine started there is at the usual place and meets no other one.
"""

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support import until

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "engine.sh"
INSIDE = "LADING_TESTS_OWN_SPACE"
NEEDED = ("unshare", "dockerd", "ip", "mount")


def in_own_space(module: str, *arguments: str) -> list[str]:
    """Return the words that run a module in a space of its own."""
    apart = ["unshare", "--mount", "--net", "--propagation", "private"]
    return [*apart, sys.executable, "-m", "tests.engines", module, *arguments]


class OwnEngine:
    """An engine whose data lies below ``place``, with live-restore or without; only within a space of its own."""

    def __init__(self, place: Path, *, live_restore: bool = True) -> None:
        assert os.environ.get(INSIDE), "this would meet the engine of the machine"
        self.place = place
        self._environ = {**os.environ, "LIVE_RESTORE": "true" if live_restore else "false"}

    def start(self) -> None:
        """Start it and wait until it answers; one that was killed is started again."""
        subprocess.run([SCRIPT, "start", str(self.place)], check=True, stdout=subprocess.DEVNULL, env=self._environ)

    def kill(self) -> None:
        """Kill the engine alone, the way a crash does; its containers run on."""
        pid = int((self.place / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}/exe").exists(), within=10.0, what="the engine is gone")
        (self.place / "pid").unlink(missing_ok=True)

    def end(self) -> None:
        """End it with all it runs."""
        subprocess.run([SCRIPT, "stop", str(self.place)], check=True)


@contextmanager
def own_engine(place: Path) -> Iterator[OwnEngine]:
    """Give an engine for the length of the block."""
    engine = OwnEngine(place)
    engine.start()
    try:
        yield engine
    finally:
        # Whatever happened to it meanwhile, what it runs must go.
        with suppress(subprocess.CalledProcessError):
            engine.start()
        engine.end()


def _enter() -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ[INSIDE] = "yes"


if __name__ == "__main__":
    _enter()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
