"""The files that runs left, given out without leaving their directory."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lading.model.errors import LadingError
from lading.model.jobs import JobRun

PIECE = 1 << 20  # bytes read at a time


def read_output(run: JobRun, path: str) -> tuple[int, Iterator[bytes]]:
    """Return the size and the bytes of a file that a run left; raise ``unknown-output`` when there is none.

    Only what was listed when the run ended is given out, and only as the plain file that it was then.
    """
    listed = next((file for file in run.outputs if file.path == path), None)
    if listed is None or not run.kept:
        known = ", ".join(file.path for file in run.outputs) if run.kept else "none any more: later runs took its place"
        raise _unknown(run, f"run {run.id} has no output file {path}; it has: {known or 'none'}")
    try:
        descriptor = _open(Path(run.outputs_at), path)
    except OSError as error:
        raise _unknown(run, f"{path} cannot be read any more: {error.strerror}") from error
    return os.fstat(descriptor).st_size, _pieces(descriptor)


def _open(directory: Path, path: str) -> int:
    """Open a file below a directory, following no link on the way: a program may have put one there since."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    above = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    *folders, name = path.split("/")
    try:
        for folder in folders:
            inner = os.open(folder, flags | os.O_DIRECTORY, dir_fd=above)
            os.close(above)
            above = inner
        descriptor = os.open(name, flags, dir_fd=above)
    finally:
        os.close(above)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(2, "it is no regular file any more", path)
    return descriptor


def _pieces(descriptor: int) -> Iterator[bytes]:
    with os.fdopen(descriptor, "rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _unknown(run: JobRun, happened: str) -> LadingError:
    return LadingError(
        "unknown-output",
        doing=f"reading outputs of run {run.id}",
        happened=happened,
        now="nothing was changed",
        hint=f"lading outputs {run.environment} {run.id}",
    )
