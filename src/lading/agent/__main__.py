"""Run the agent: ``python -m lading.agent [--home DIRECTORY]``."""

import argparse
import json
import logging
import os
import resource
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lading import __version__
from lading.agent import heap
from lading.agent.api.app import create_app
from lading.agent.changes import Changes
from lading.agent.compose import Composition, compose
from lading.agent.door import listen
from lading.agent.home import Card, Home
from lading.agent.logfile import open_log
from lading.model.errors import LadingError
from lading.model.interface import CARD, LOG, SOCKET, home_of

log = logging.getLogger("lading.agent")

# Seconds after which a busy thread lets another one run: a rollout's steps wait for streams and probers otherwise.
SWITCH_INTERVAL = 0.0005


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m lading.agent", description="The host daemon of Lading.")
    parser.add_argument("--home", type=Path, default=None, help="directory of all state (default: LADING_HOME)")
    try:
        root = parser.parse_args().home or Path(home_of(os.environ, os.getuid()))
    except LadingError as error:
        print(error, file=sys.stderr)  # noqa: T201  (there is no log without a home)
        return error.exit_status
    # A client that vanished must not take the agent along.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    # What is private is made so by name; what instances of other users must pass must not hang on who started us.
    os.umask(0o022)
    _leave_no_core()
    heap.share()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        _run(Home(root))
    except LadingError as error:
        log.error("%s", error)
        if not _is_stderr(root / LOG):
            print(error, file=sys.stderr)  # noqa: T201  (whoever started it in the foreground reads it here)
        return error.exit_status
    return 0


def _leave_no_core() -> None:
    """See that neither the agent nor what it starts leaves its memory on disk: secrets are in it."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _is_stderr(log_file: Path) -> bool:
    """Tell whether stderr is the log itself, as for an agent that a command started."""
    try:
        return os.path.samestat(os.fstat(sys.stderr.fileno()), log_file.stat())
    except (OSError, ValueError):
        return False


def _run(home: Home) -> None:
    formatter = open_log(home.root / LOG)
    if not home.acquire():
        raise _held(home)
    home.sweep()
    composition = compose(home)
    formatter.known = lambda: composition.secrets.all_values().values()
    log.info("lading %s, pid %s, home %s", __version__, os.getpid(), home.root)
    _begin(composition)
    # Made before anybody can connect: whoever hears an answer may tell the agent to end, and it ends in order.
    server = _Server(composition.service.changes, create_app(composition.service))
    listener = listen(home.root, composition.group)
    home.write_card(Card(pid=os.getpid(), started=time.time(), version=__version__, socket=str(home.root / SOCKET)))
    try:
        server.run(sockets=[listener])
    finally:
        composition.supervisor.stop()
        composition.scheduler.stop()
        composition.rollouts.stop()
        composition.jobs.stop()
        composition.outputs.stop()
        home.remove_card()
        log.info("ended; what it serves goes on serving")


class _Server(uvicorn.Server):
    """Serves until SIGTERM or SIGINT, and ends streams then: their clients take them up with the next agent."""

    def __init__(self, changes: Changes, app: FastAPI) -> None:
        self._changes = changes
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                # Named, so that nothing is loaded just because it is installed: memory an idle agent would keep.
                loop="asyncio",
                http="h11",
                ws="none",
                timeout_graceful_shutdown=2,
                server_header=False,
            )
        )
        # The server raises the signal once more when it has ended; what comes after must not be cut off by it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._changes.close()
        super().handle_exit(sig, frame)


def _begin(composition: Composition) -> None:
    """Bring back what served before anybody is answered: status must not tell of an outage that is being mended."""
    composition.supervisor.restore()
    composition.rollouts.recover()
    composition.jobs.recover()
    composition.supervisor.start()
    composition.scheduler.start()


def _held(home: Home) -> LadingError:
    try:
        holder = f"pid {json.loads((home.root / CARD).read_text())['pid']}"
    except (OSError, ValueError, KeyError):
        holder = "its pid is not known"
    return LadingError(
        "busy",
        doing=f"starting the agent of {home.root}",
        happened=f"one runs already ({holder})",
        now="it goes on running",
        hint="lading agent status",
    )


if __name__ == "__main__":
    sys.exit(main())
