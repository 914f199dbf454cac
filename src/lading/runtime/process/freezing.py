"""Make everything of an environment stand still, and let exactly that go on again.

SIGSTOP cannot be caught, and connections that come meanwhile wait in the kernel. Who is stopped is noted before the
signal is sent, so that whoever comes after a death knows whom to thaw; what stood still before is left alone.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from lading.model.errors import LadingError
from lading.runtime.process import limits
from lading.runtime.process.identity import PROC, Process, Stat, send, stat_of, stats, variables_of
from lading.runtime.process.records import Record, Records

STANDING = frozenset("TtZXx")  # stopped, traced, or dead
PAUSE = 0.0005  # seconds between two looks at processes that are about to stand still
STOPPING = 2.0  # seconds a stopped process may take to stand still: it may wait for a disk

Belongs = Callable[[Stat], bool]


class Family:
    """All processes of some instances and runs, their keepers excepted, found with one look at the machine."""

    def __init__(self, known: Iterable[tuple[Records, Record]]) -> None:
        self._grouped: list[tuple[str, ...]] = []
        self._marks: set[bytes] = set()
        self._leaders: set[int] = set()
        for records, record in known:
            process = records.running(record, waiting=False)
            if process is not None:
                self._leaders.add(process.pid)
            self._grouped.append(record.cgroups)
            self._marks.add(f"LADING_RECORD={records.folder(record.name)}".encode())
        self._strangers: set[Process] = set()

    def members(self) -> list[Stat]:
        """Return who lives now; whoever was found to be a stranger is not looked at twice."""
        grouped = set().union(*(limits.members(cgroups) for cgroups in self._grouped))
        found = []
        for stat in stats():
            if stat.process in self._strangers:
                continue
            if stat.process.pid in grouped or self._led(stat) or self._marked(stat.process.pid):
                found.append(stat)
            else:
                self._strangers.add(stat.process)
        return found

    def _led(self, stat: Stat) -> bool:
        return not self._leaders.isdisjoint((stat.process.pid, stat.group, stat.session))

    def _marked(self, pid: int) -> bool:
        return not self._marks.isdisjoint(variables_of(pid))


def freeze(family: Family, note: Callable[[Process], None], seconds: float = STOPPING) -> None:
    """Stop everybody, children included that are born meanwhile; return once nothing of them runs.

    ``note`` is called with each process before it is stopped. Raise ``step-failed`` when one does not stand still.
    """
    deadline = time.monotonic() + seconds
    noted: set[Process] = set()
    while True:
        moving = []
        fresh = False
        for stat in family.members():
            if stat.process not in noted and stat.state not in STANDING:
                note(stat.process)
                noted.add(stat.process)
                send(stat.process, signal.SIGSTOP)
                fresh = True
            if not stands_still(stat.process):
                moving.append(stat.process)
        if not fresh and not moving:
            return
        if time.monotonic() >= deadline:
            numbers = ", ".join(str(process.pid) for process in moving)
            raise LadingError("step-failed", happened=f"process {numbers} does not stand still")
        time.sleep(PAUSE)


def stands_still(process: Process, proc: Path = PROC) -> bool:
    """Tell whether no thread of a process runs any more (or the process is gone)."""
    try:
        threads = os.listdir(proc / str(process.pid) / "task")
    except OSError:
        return True
    for thread in threads:
        stat = stat_of(int(thread), proc / str(process.pid) / "task")
        if stat is not None and stat.state not in STANDING:
            return False
    return True


def thaw(processes: Iterable[Process]) -> None:
    """Let those go on that were stopped; quiet about those that are gone."""
    for process in processes:
        send(process, signal.SIGCONT)
