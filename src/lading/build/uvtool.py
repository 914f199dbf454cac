"""Runs uv, the tool that installs packages."""

import importlib.metadata
import os
import signal
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from lading.build.errors import build_failed
from lading.build.indexes import index_passwords, uv_variables, without_indexes
from lading.model.secret import Secret, redact

BUILD_LIMIT = 900.0  # seconds
LAST_LINES = 15
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
    """uv with this machine's settings, run in one directory."""

    def __init__(self, directory: Path, secrets: Collection[Secret]) -> None:
        self._directory = directory
        self._environment = {name: value for name, value in os.environ.items() if name not in LEFT_OUT} | FIXED
        self.passwords = index_passwords(self._environment)
        self._secrets = [*secrets, *self.passwords]

    def run(self, *arguments: str, indexes: bool = True) -> Ran:
        """Run uv to its end; without ``indexes`` it hears nothing of where packages come from.

        Raise ``build-failed`` when it takes longer than :data:`BUILD_LIMIT`.
        """
        known = self._environment
        environment = known | uv_variables(known) if indexes else without_indexes(known)
        status, output, messages = _run([uv_binary(), *arguments], self._directory, environment)
        return Ran(status, output, redact(messages, self._secrets))

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


def _run(command: list[str], directory: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    # A session of its own, so that at the limit the compilers of a source build end with it.
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, messages = process.communicate(timeout=BUILD_LIMIT)
    except subprocess.TimeoutExpired:
        raise build_failed(
            f"running uv {command[1]}",
            f"it took longer than {BUILD_LIMIT:.0f} s",
            hint="see whether the package index answers",
        ) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, output, messages
