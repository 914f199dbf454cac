"""Runs uv, the tool that installs packages."""

import importlib.metadata
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from lading.build.errors import build_failed
from lading.build.indexes import index_passwords, uv_variables, without_indexes
from lading.model.secret import Secret, redact

BUILD_LIMIT = 900.0  # seconds
LAST_LINES = 15
HEAR_EVERY = 0.5  # seconds between two words of a run that writes nothing
# Would point uv or a build at some other environment than the one being made.
LEFT_OUT = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON")
FIXED = {
    # Hard links into uv's cache would let a change there change what was built.
    "UV_LINK_MODE": "copy",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_PROGRESS": "1",
    "NO_COLOR": "1",
    "PYTHONHASHSEED": "0",
}


# Takes the last line that a run of uv wrote, now and then; raising ends the run.
Hear = Callable[[str], None]


def _unheard(_line: str) -> None:
    """Nobody listens."""


class Ran(NamedTuple):
    """How a run of uv ended: exit status and what it wrote, secrets masked."""

    status: int
    output: str
    messages: str

    @property
    def last_lines(self) -> tuple[str, ...]:
        """Return the last lines of its messages."""
        return tuple(line for line in self.messages.splitlines() if line.strip())[-LAST_LINES:]


class Uv:
    """uv with this machine's settings, run in one directory; ``hear`` gets its last line, secrets masked."""

    def __init__(self, directory: Path, secrets: Collection[Secret], hear: Hear = _unheard) -> None:
        self._directory = directory
        self._hear = hear
        self._environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT} | FIXED
        self.passwords = index_passwords(self._environment)
        self._secrets = [*secrets, *self.passwords]

    def run(self, *arguments: str, indexes: bool = True) -> Ran:
        """Run uv to its end; without ``indexes`` it hears nothing of where packages come from.

        Raise ``build-failed`` when it takes longer than :data:`BUILD_LIMIT`.
        """
        known = self._environment
        environment = known | uv_variables(known) if indexes else without_indexes(known)
        command = [uv_binary(), *arguments]
        status, output, messages = _run(command, self._directory, environment, self._tell)
        return Ran(status, output, redact(messages, self._secrets))

    def _tell(self, line: str) -> None:
        self._hear(redact(line.strip(), self._secrets))

    def must(self, doing: str, *arguments: str, hint: str) -> str:
        """Run uv and return its output; raise ``build-failed`` with its last lines when it fails."""
        ran = self.run(*arguments)
        if ran.status != 0:
            raise build_failed(
                doing,
                f"uv {arguments[0]} ended with exit status {ran.status}; its last lines:",
                hint=hint,
                details=ran.last_lines,
            )
        return ran.output


def uv_version() -> str:
    """Return uv's version, a part of what an environment is known by."""
    return importlib.metadata.version("uv")


def uv_binary() -> str:
    """Return the path of the uv program; raise ``build-failed`` when it is not installed."""
    # Imported here: only a build needs it.
    import uv

    try:
        return os.fsdecode(uv.find_uv_bin())
    except FileNotFoundError as error:
        raise build_failed("looking for uv", str(error), hint="pip install uv") from error


def _run(
    command: list[str], directory: Path, environment: Mapping[str, str], hear: Hear = _unheard
) -> tuple[int, str, str]:
    """Run a command; ``hear`` gets its last line of messages, again and again, and may raise to end it."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        # A session of its own, so that at the limit the compilers of a source build end with it.
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            messages = _messages(process, command[1], hear)
            status = process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        return status, output.read(), messages


def _messages(process: subprocess.Popen[str], what: str, hear: Hear) -> str:
    """Return what a process wrote to stderr until it closed it; raise ``build-failed`` at the limit."""
    arriving: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process, arriving), name="uv", daemon=True).start()
    deadline = time.monotonic() + BUILD_LIMIT
    lines = [""]
    while True:
        if time.monotonic() > deadline:
            raise build_failed(
                f"running uv {what}",
                f"it took longer than {BUILD_LIMIT:.0f} s",
                hint="see whether the package index answers",
            )
        try:
            line = arriving.get(timeout=HEAR_EVERY)
        except queue.Empty:
            hear(lines[-1])
            continue
        if line is None:
            return "".join(lines)
        lines.append(line)
        hear(line)


def _read(process: subprocess.Popen[str], arriving: queue.SimpleQueue[str | None]) -> None:
    assert process.stderr is not None
    with process.stderr:
        for line in process.stderr:
            arriving.put(line)
    arriving.put(None)
