"""One system user per environment, where the agent is root.

A number is enough for the kernel: no account is made. Numbers lie between those of people and those of containers
and are written down, since an environment's files belong to its number for good.
"""

import os
import stat
import threading
from pathlib import Path

import msgspec

from lading.model import typed
from lading.model.errors import LadingError

NUMBERS = range(70_000, 80_000)  # above 65535 (people, services, systemd), below 100000 (containers' sub-users)


class Users:
    """Which number belongs to which environment (``project/environment``)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def number(self, marker: str) -> int:
        """Return an environment's user and group number, the same at every call, no other's."""
        with self._lock:
            known = self._read()
            if marker not in known:
                known[marker] = self._free(known)
                self._write(known)
            return known[marker]

    def _read(self) -> dict[str, int]:
        try:
            return typed.decode(self._path.read_bytes(), dict[str, int])
        except FileNotFoundError:
            return {}

    def _write(self, known: dict[str, int]) -> None:
        draft = self._path.with_suffix(".draft")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(known))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _free(self, known: dict[str, int]) -> int:
        number = max(known.values(), default=NUMBERS[0] - 1) + 1
        if number not in NUMBERS:
            raise LadingError(
                "start-failed",
                doing="choosing a system user for an environment",
                happened=f"all {len(NUMBERS)} numbers in {self._path} are given out",
                hint=f"remove entries of environments that no longer exist from {self._path}",
            )
        return number


def first_closed(path: Path, number: int) -> Path | None:
    """Return the first directory on the way to a path that a user may not pass through; None when all are open."""
    real = path.resolve()
    for directory in reversed([real, *real.parents]):
        if directory.is_dir() and not _may_pass(directory, number):
            return directory
    return None


def _may_pass(directory: Path, number: int) -> bool:
    facts = directory.stat()
    needed = stat.S_IXUSR if facts.st_uid == number else stat.S_IXOTH
    return bool(facts.st_mode & needed)


def give_tree(directory: Path, number: int) -> None:
    """Give a directory and all below it to a user, unless the directory is theirs already; follow no link."""
    if directory.lstat().st_uid == number:
        return
    for _, folders, files, fd in os.fwalk(directory, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, number, number, dir_fd=fd, follow_symlinks=False)
    # Last, so that a crash half-way is noticed the next time.
    os.chown(directory, number, number, follow_symlinks=False)


def give_file(path: Path, number: int) -> None:
    """Give one file to a user if it is there, a plain file, and known by no other name that might be of elsewhere."""
    try:
        fd = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        facts = os.fstat(fd)
        if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
            # By its descriptor: whatever is put under its name meanwhile is not given away.
            os.chown(f"/proc/self/fd/{fd}", number, number)
    finally:
        os.close(fd)
