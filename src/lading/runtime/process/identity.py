"""Which process is which: a number alone is reused, a number with its start time is not."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
DEAD_STATES = frozenset("ZXx")  # a zombie only waits to be reaped: nothing of it runs


class Process(NamedTuple):
    """A process of this boot: its number and its start time in clock ticks since boot."""

    pid: int
    start: int


class Stat(NamedTuple):
    """What ``/proc/PID/stat`` says that matters here."""

    process: Process
    state: str
    group: int
    session: int


def parse_stat(text: str) -> Stat | None:
    """Parse a line of ``/proc/PID/stat``; None when it is not a whole one.

    The program's name stands in parentheses and may itself hold spaces and parentheses, so count from the last one.
    """
    head, closed, tail = text.rpartition(")")
    number = head.partition(" ")[0]
    fields = tail.split()
    if not closed or not number.isdigit() or len(fields) < 20:
        return None
    process = Process(int(number), int(fields[19]))
    return Stat(process, fields[0], int(fields[2]), int(fields[3]))


def stat_of(pid: int, proc: Path = PROC) -> Stat | None:
    """Return a process's stat, None when there is no such process."""
    try:
        return parse_stat((proc / str(pid) / "stat").read_text(errors="replace"))
    except OSError:
        return None


def is_alive(process: Process, proc: Path = PROC) -> bool:
    """Tell whether that very process still runs; a zombie does not, nor does a later one of the same number."""
    stat = stat_of(process.pid, proc)
    return stat is not None and stat.process == process and stat.state not in DEAD_STATES


def boot_id() -> str:
    """Return this boot's id: start times of another boot mean nothing."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def stats(proc: Path = PROC) -> Iterator[Stat]:
    """Yield every living process."""
    for entry in proc.iterdir():
        if entry.name.isdigit():
            stat = stat_of(int(entry.name), proc)
            if stat is not None and stat.state not in DEAD_STATES:
                yield stat


def has_variable(pid: int, variable: bytes, proc: Path = PROC) -> bool:
    """Tell whether a process was started with ``NAME=value`` in its environment (False where it cannot be read)."""
    return variable in variables_of(pid, proc)


def variables_of(pid: int, proc: Path = PROC) -> list[bytes]:
    """Return the ``NAME=value`` of a process's environment as it was started; nothing where it cannot be read."""
    try:
        return (proc / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


@contextmanager
def handle(process: Process) -> Iterator[int | None]:
    """Open a pidfd of that very process; None when it is gone. While it is open the number cannot mislead."""
    fd = open_handle(process)
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


def open_handle(process: Process) -> int | None:
    """Return a pidfd of that very process, None when it is gone; the caller closes it."""
    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if is_alive(process):
        return fd
    os.close(fd)
    return None


def send(process: Process, number: int) -> None:
    """Send a signal to that very process; nothing when it is gone."""
    with handle(process) as fd:
        if fd is None:
            return
        try:
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return


def wait_end(process: Process, seconds: float) -> bool:
    """Wait at most ``seconds`` for that very process to end; tell whether it has."""
    with handle(process) as fd:
        if fd is None:
            return True
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(max(0.0, seconds) * 1000))
