"""Writing so that a crash or a full disk leaves the old state or the new, never half of one."""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.model.errors import LadingError

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
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


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
    """Put everything written to a tree's file system on disk, at once instead of file by file."""
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
