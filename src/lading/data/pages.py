"""Files of databases, copied and compared byte by byte; nothing here opens a database."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 1 << 20  # bytes compared at once
PIECE = 1 << 14  # bytes written at once where a chunk differs

# What SQLite writes into a database's first page without any change to what is in it: the counter of changes, and
# which version of the library saw it last.
COUNTERS = (range(24, 28), range(92, 100))


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """Open a plain file, never one that a link leads to; FileNotFoundError where there is none."""
    fd = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def make_same(source: int, target: int, deadline: float = math.inf) -> int:
    """Make the target's bytes the source's, writing only what differs; return how many were written. On disk then.

    Raise TimeoutError once the monotonic ``deadline`` has passed.
    """
    size, written = os.fstat(source).st_size, 0
    for place in range(0, size, CHUNK):
        if time.monotonic() > deadline:
            raise TimeoutError
        new, old = os.pread(source, CHUNK, place), os.pread(target, CHUNK, place)
        if new == old:
            continue
        for piece in range(0, len(new), PIECE):
            part = new[piece : piece + PIECE]
            if part != old[piece : piece + PIECE]:
                written += os.pwrite(target, part, place + piece)
    os.ftruncate(target, size)
    os.fsync(target)
    return written


def copy_to(source: int, path: Path, deadline: float = math.inf) -> None:
    """Make a file's bytes the source's, whatever it held; see :func:`make_same`."""
    with opened(path, os.O_RDWR | os.O_CREAT) as target:
        make_same(source, target, deadline)


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two database files hold the same, counters of changes aside."""
    with opened(one) as first, opened(other) as second:
        if os.fstat(first).st_size != os.fstat(second).st_size:
            return False
        for place in range(0, os.fstat(first).st_size, CHUNK):
            left, right = os.pread(first, CHUNK, place), os.pread(second, CHUNK, place)
            if place == 0:
                left, right = _without_counters(left), _without_counters(right)
            if left != right:
                return False
    return True


def _without_counters(head: bytes) -> bytes:
    plain = bytearray(head)
    for counter in COUNTERS:
        plain[counter.start : counter.stop] = bytes(len(counter))
    return bytes(plain)


def flush(path: Path) -> None:
    """Put a file on disk; quiet where there is none."""
    try:
        with opened(path) as fd:
            os.fsync(fd)
    except FileNotFoundError:
        return


def flush_directory(path: Path) -> None:
    """Put a directory's entries on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
