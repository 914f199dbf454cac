"""Logs that programs write straight into a file, kept short without a pipe and without losing a line.

A program holds its log open for appending, so the file can neither be renamed nor emptied behind its back without
a moment in which a line gets lost. Instead the kernel is asked to take the *oldest* blocks out of the file
(``fallocate`` collapse, else punch): that is atomic against writes, and what was written last always stays.
"""

import ctypes
import errno
import os
from collections.abc import Sequence
from pathlib import Path

KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE = 0x01, 0x02, 0x08  # linux/falloc.h
BLOCK = 4096  # bytes; both operations work on whole blocks, and 4096 is a multiple of or equal to what is in use
MOST_READ = 1 << 20  # bytes looked at for the last lines, however long the lines are
UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})

_libc = ctypes.CDLL(None, use_errno=True)


def open_log(path: Path) -> int:
    """Open a log for appending, for its owner's eyes only, and return the file descriptor."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _fallocate(fd: int, mode: int, length: int) -> bool:
    if _libc.fallocate(fd, mode, ctypes.c_int64(0), ctypes.c_int64(length)) == 0:
        return True
    number = ctypes.get_errno()
    if number in UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number))


def data_start(fd: int) -> int:
    """Return where the file's data begins: after the hole that an earlier cut may have left."""
    try:
        return os.lseek(fd, 0, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:  # no data at all
            raise
        return os.fstat(fd).st_size


def trim(path: Path, limit: int) -> int:
    """Cut a log that holds more than ``limit`` bytes down to the newest half of it; return the bytes cut.

    Nothing a program writes meanwhile is lost. Only on a file system that can neither collapse nor punch is the file
    copied and emptied, which loses what is written between those two acts.
    """
    try:
        fd = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        size, start = os.fstat(fd).st_size, data_start(fd)
        if size - start <= limit:
            return 0
        cut = (size - limit // 2) // BLOCK * BLOCK
        # A file that already begins with a hole is cut by punching again: collapsing would shift nothing but the hole.
        collapsed = not start and _fallocate(fd, COLLAPSE_RANGE, cut)
        if not collapsed and not _fallocate(fd, PUNCH_HOLE | KEEP_SIZE, cut):
            return _copy_and_empty(fd, path, cut)
        _blank_fragment(fd, 0 if collapsed else cut)
        return cut - start
    finally:
        os.close(fd)


def _blank_fragment(fd: int, start: int) -> None:
    # Half of a line may be half of a secret, which nobody who masks whole values would know.
    end = os.pread(fd, MOST_READ, start).find(b"\n")
    if end > 0:
        os.pwrite(fd, b" " * end, start)


def _copy_and_empty(fd: int, path: Path, cut: int) -> int:
    older = os.open(older_part(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(older, os.pread(fd, MOST_READ, max(cut, os.fstat(fd).st_size - MOST_READ)))
        os.ftruncate(fd, 0)
    finally:
        os.close(older)
    return cut


def older_part(path: Path) -> Path:
    """Return where the older part of a log lies on a file system that cannot cut files."""
    return path.with_name(path.name + ".1")


def tail(path: Path, most: int = MOST_READ) -> bytes:
    """Return the last bytes of a log, at most ``most``, from the beginning of a line; empty when there is none."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        size = os.fstat(fd).st_size
        start = data_start(fd)
        begin = max(start, size - most)
        data = os.pread(fd, size - begin, begin)
        if begin > start:
            data = data.partition(b"\n")[2] or data
    finally:
        os.close(fd)
    older = older_part(path)
    return older.read_bytes()[-most:] + data if len(data) < most and older.exists() else data


def last_lines(path: Path, lines: int) -> Sequence[str]:
    """Return the last whole lines of a log, oldest first, and what stands after the last line's end."""
    if lines <= 0:
        return ()
    return tuple(tail(path).decode(errors="replace").splitlines()[-lines:])
