"""The files that runs left: given out without leaving their directory, and sent to a store where one is wanted."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lading.agent.carrying import Carriers
from lading.engine.sending import LAST_PAUSE, Sender, opened
from lading.engine.world import World
from lading.model.errors import LadingError
from lading.model.jobs import JobRun

AT_ONCE = 2  # runs that are sent side by side; each takes the memory of a part or two

PIECE = 1 << 20  # bytes read at a time

# What the system says of a path that is not the plain file any more that it was when the run ended.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EISDIR, errno.ENXIO)


class Outputs:
    """Gives out what runs left, from the host or from the store that it was sent to, and sends it there.

    At most ``AT_ONCE`` runs are sent side by side, and one of an environment: the store of one may be slow or away.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        sender = Sender(world, read_output, self._is_stopping)
        self._carriers = Carriers("sending", sender.carry, sender.give_up, _nobody)

    def open(self, run: JobRun, path: str) -> tuple[int, Iterator[bytes]]:
        """Return size and bytes of a file; raise ``unknown-output``, and ``store-failed`` where only a store has it."""
        file = next((file for file in run.outputs if file.path == path), None)
        if run.kept or file is None or not file.url or run.sending is None:
            return read_output(run, path)
        at = opened(self._world.secrets, run.key, run.sending.store)
        return self._world.objects.get(at, file.url.removeprefix(at.store.url("")))

    def again(self, run: JobRun) -> JobRun:
        """Let what could not be sent be tried at once, however long it was put off; quiet when nothing was."""

        def change(run: JobRun) -> JobRun:
            if run.sending is None or not run.is_unsent:
                return run
            return msgspec.structs.replace(run, sending=msgspec.structs.replace(run.sending, again=0.0))

        return self._world.journal.change_run(run.id, change)

    def recover(self) -> None:
        """Send what is due and nobody sends."""
        now = self._world.clock.now()
        waiting = self._world.journal.unsent_runs()
        underway = self._carriers.carried()
        busy = {run.key for run in waiting if run.id in underway}
        for run in waiting:
            # A clock that was set back must not hold up what is due.
            due = run.sending is None or not now < run.sending.again <= now + LAST_PAUSE
            if due and run.key not in busy and len(busy) < AT_ONCE:
                busy.add(run.key)
                self._carriers.carry(run.id)

    def stop(self) -> None:
        """Let go; the next agent goes on with the first file that is not in its store."""
        self._carriers.stop()

    def _is_stopping(self) -> bool:
        return self._carriers.stopping()


def read_output(run: JobRun, path: str) -> tuple[int, Iterator[bytes]]:
    """Return the size and the bytes of a file that a run left; raise ``unknown-output`` when there is none.

    Only what was listed when the run ended is given out, and only as the plain file that it was then.
    """
    listed = next((file for file in run.outputs if file.path == path), None)
    if listed is None or not run.kept:
        known = ", ".join(file.path for file in run.outputs) if run.kept else "none any more: later runs took its place"
        raise _unknown(run, f"run {run.id} has no output file {path}; it has: {known or 'none'}")
    directory = Path(run.outputs_at)
    try:
        descriptor = _open(directory, path)
    except OSError as error:
        if not directory.is_dir():
            # A disk that is not mounted takes all files of a run away for a while: that is no loss.
            raise _unread(run, f"{path} cannot be read now: {directory} is not there") from error
        if error.errno in GONE:
            raise _unknown(run, f"{path} cannot be read any more: {error.strerror}") from error
        raise _unread(run, f"{path} cannot be read now: {error.strerror}") from error
    return os.fstat(descriptor).st_size, _Pieces(descriptor)


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


class _Pieces:
    """The bytes of an open file; closed with its last piece, or by who reads no further."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "rb")

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._file.read(PIECE)
        if not piece:
            self.close()
            raise StopIteration
        return piece

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        self._file.close()


def _nobody(_number: int) -> None:
    """Publish to nobody: who wants to know how far it is asks for the run."""


def _unread(run: JobRun, happened: str) -> LadingError:
    return LadingError(
        "unexpected", doing=f"reading outputs of run {run.id}", happened=happened, hint="look at it on its host"
    )


def _unknown(run: JobRun, happened: str) -> LadingError:
    return LadingError(
        "unknown-output",
        doing=f"reading outputs of run {run.id}",
        happened=happened,
        now="nothing was changed",
        hint=f"lading outputs {run.environment} {run.id}",
    )
