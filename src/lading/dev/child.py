"""One running program: a process group of its own, whose lines are read as they come."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable

from lading.dev.programs import Program
from lading.model.errors import LadingError

POLL = 0.02  # seconds between looks at a group that is to end
LONGEST_LINE = 1 << 16  # bytes of one line; more is told as several


class Child:
    """A program that was started. ``said`` gets its lines, ``ended`` the child once its output has ended.

    It is the leader of its own process group, so that Ctrl-C in the terminal does not reach it and all it starts ends
    with it.
    """

    def __init__(self, program: Program, said: Callable[[str, str], None], ended: Callable[["Child"], None]) -> None:
        self.program = program
        self.asked_to_end = False
        self._last = ""
        try:
            self._process = subprocess.Popen(
                program.words,
                cwd=program.directory,
                env=dict(program.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise LadingError(
                "start-failed",
                doing=f"starting {program.name}",
                happened=f"{program.words[0]}: {error.strerror}",
                now="it does not run",
                hint=f"correct the command of services.{program.name} in lading.toml",
            ) from error
        self._reader = threading.Thread(
            target=self._read, args=(said, ended), name=f"reads {program.name}", daemon=True
        )
        self._reader.start()

    @property
    def last_line(self) -> str:
        """The last line it wrote that was not empty."""
        return self._last

    def status(self, within: float | None = None) -> int | None:
        """Wait until it has ended and return its exit status (negative: the signal that killed it).

        None when it still runs after ``within`` seconds.
        """
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            return None

    @property
    def running(self) -> bool:
        """Whether its first process still runs."""
        return self._process.poll() is None

    def ask(self) -> None:
        """Ask the whole group to end."""
        self.asked_to_end = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End whatever is left of the group, and wait until its output has ended."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=1.0)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self, said: Callable[[str, str], None], ended: Callable[["Child"], None]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            while line := stream.readline(LONGEST_LINE):
                text = line.decode(errors="replace").rstrip()
                self._last = text or self._last
                said(self.program.name, text)
        ended(self)


def end(children: Iterable[Child], longest: float) -> None:
    """End programs with all they started: ask all of them, wait, each its own grace and ``longest`` seconds at most,
    then kill what is left. Interrupted, kill at once.
    """
    children = list(children)
    try:
        for child in children:
            child.ask()
        began = time.monotonic()
        while time.monotonic() - began < longest and any(
            child.running and time.monotonic() - began < child.program.grace for child in children
        ):
            time.sleep(POLL)
    finally:
        for child in children:
            child.kill()
