"""Start a keeper and its program, detached: a session of their own, files instead of pipes."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from lading.runtime.process.limits import Applied
from lading.runtime.process.records import POLL, Record, Records

KEEPER = Path(__file__).with_name("keeper.sh")
SHELL = "/bin/sh"
NOTING = 20.0  # seconds a keeper may take to note its program; it takes milliseconds unless the machine stands still

# Variables that the C library reads in every program, and those by which a shell carries out what they hold.
STEERING = frozenset({"GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "SHELLOPTS", "BASHOPTS", "BASH_ENV", "PS4"})

# Keepers this process is the parent of. Kept here so that an ended one is reaped, whichever object started it.
_children: list[subprocess.Popen[bytes]] = []
_guard = threading.Lock()


def reap() -> None:
    """Reap the keepers of this process that have ended."""
    with _guard:
        _children[:] = [child for child in _children if child.poll() is None]


def adopt(child: subprocess.Popen[bytes]) -> None:
    """See that a child of this process is reaped once it has ended."""
    with _guard:
        _children.append(child)


def spawn(
    records: Records,
    record: Record,
    lock: int,
    *,
    words: Sequence[str],
    variables: Mapping[str, str],
    cwd: Path,
    log: int,
    applied: Applied,
    user: int | None,
) -> bool:
    """Start a record's attempt and tell whether its program came to run; the keeper inherits the open lock.

    A starter that dies at any moment leaves either no process, or a keeper that holds the lock until its program is
    noted: nobody can take the one for the other.
    """
    folder = records.folder(record.name)
    line = [SHELL, str(KEEPER), str(folder), str(record.attempt)]
    line += [str(applied.address_space or "-"), ":".join(applied.cgroups) or "-"]
    # As root neither keeper nor ``setpriv`` may load a library that a manifest names: these come after the change.
    kept_back = {name: value for name, value in variables.items() if user is not None and loads_code(name)}
    line += [*_become(user, kept_back), *words]
    child = subprocess.Popen(
        line,
        stdin=lock,
        stdout=log,
        stderr=log,
        cwd=cwd,
        env={name: value for name, value in variables.items() if name not in kept_back}
        | {"LADING_KEEPER": str(folder)},
        start_new_session=True,
        umask=0o077,
    )
    adopt(child)
    return _noted(folder / f"{record.attempt}.pid", child)


def _noted(note: Path, child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + NOTING
    while not _has_line(note):
        if child.poll() is not None:
            return _has_line(note)
        if time.monotonic() >= deadline:
            os.killpg(child.pid, signal.SIGKILL)  # our child, not reaped yet: the number is its own
            return False
        time.sleep(POLL)
    return True


def _has_line(path: Path) -> bool:
    try:
        return path.read_bytes().endswith(b"\n")
    except FileNotFoundError:
        return False


def _become(user: int | None, kept_back: Mapping[str, str]) -> list[str]:
    """Return the words that give a program a session of its own and, if one is given, a user."""
    words = []
    # A program that signals its whole group must reach its own children, not its keeper.
    if setsid := shutil.which("setsid"):
        words += [setsid]
    if user is not None:
        words += [str(shutil.which("setpriv")), f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        words += ["--no-new-privs", "--"]
    if kept_back:
        words += [str(shutil.which("env")), *(f"{name}={value}" for name, value in kept_back.items())]
    return words


def loads_code(name: str) -> bool:
    """Tell whether a variable makes any program load code or settings of the C library, or a shell run commands."""
    return name.startswith("LD_") or name in STEERING


def can_become() -> bool:
    """Tell whether this process can start programs as other users: root, with util-linux's ``setpriv``."""
    return os.geteuid() == 0 and shutil.which("setpriv") is not None
