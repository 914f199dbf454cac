"""Programs that the command line works with."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well

OLDEST_PYTHON = (3, 11)
ANSWER_LIMIT = 5.0  # seconds a program may take to say its version


def python(_directory: Path) -> Iterator[Finding]:
    """Look at this Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield found("python-old", "Python", version)
    else:
        yield well("Python", version)


def git(_directory: Path) -> Iterator[Finding]:
    """Look for git, which releases are built from."""
    yield _tool("git", "git", "apt install git, or what your system calls it")


def uv(_directory: Path) -> Iterator[Finding]:
    """Look for uv, which builds bundles; it comes with Lading."""
    beside = Path(sys.executable).with_name("uv")
    yield _tool("uv", str(beside) if beside.exists() else "uv", "install Lading again: uv comes with it")


def _tool(name: str, program: str, remedy: str) -> Finding:
    path = shutil.which(program)
    if path is None:
        return found("tool-missing", name, "not found", remedy)
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=ANSWER_LIMIT, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return found("tool-missing", name, f"{path} does not work: {type(error).__name__}", remedy)
    return well(name, done.stdout.strip().removeprefix(f"{name} ").removeprefix("version ").partition(" (")[0])
