"""Writing so that a crash or a full disk leaves the old state or the new, never half of one."""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.model.errors import LadingError

# From here on one flush of the whole file system is faster, though it also waits for what others wrote.
MANY_FILES = 100
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def room_for(doing: str) -> Iterator[None]:
    """Turn the operating system's "disk full" into ``no-space``; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise LadingError(
            "no-space",
            doing=doing,
            happened=f"the disk is full ({error.strerror})",
            now="nothing of it was kept, and what was stored before is untouched",
            hint="free some disk space, then try again",
        ) from error


def sync_directory(path: Path) -> None:
    """Put a directory's entries on disk."""
    _sync(path)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it holds the old content or all of the new, whatever happens."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_tree(top: Path) -> None:
    """Put a tree on disk: file by file while they are few, else with all its file system at once."""
    paths = [Path(directory, name) for directory, _, files in os.walk(top) for name in (*files, ".")]
    if len(paths) > MANY_FILES:
        _sync_file_system(top)
        return
    for path in paths:
        if not path.is_symlink():
            _sync(path)


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _sync_file_system(top: Path) -> None:
    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except AttributeError:
        os.sync()
        return
    number = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(number) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(top))
    finally:
        os.close(number)
