"""End all of an instance: its program, its children, and theirs, wherever they went."""

import signal
import time
from pathlib import Path

from lading.model.errors import LadingError
from lading.runtime.process import limits
from lading.runtime.process.identity import Process, Stat, has_variable, send, stat_of, stats, wait_end
from lading.runtime.process.records import Record, Records

DYING = 10.0  # seconds after which a killed process that is still there hangs in the kernel
PAUSE = 0.005  # seconds between two looks at processes that were killed


def stop(records: Records, record: Record, grace: float) -> None:
    """Ask an instance's program to end, wait ``grace`` seconds at most, then kill whatever is left of it.

    Raise ``step-failed`` naming the processes that survive being killed.
    """
    process = records.running(record)
    if process is not None and grace > 0:
        send(process, signal.Signals[record.stop_signal])
        wait_end(process, grace)
    end(records, record)


def end(records: Records, record: Record) -> None:
    """Kill everything that belongs to an instance and return once nothing of it runs and its keeper noted the end.

    Raise ``step-failed`` naming the processes that survive being killed.
    """
    main = records.process(record)
    kill_all(records, record, main)
    records.await_keeper(record)
    limits.remove(record.cgroups)


def kill_all(records: Records, record: Record, main: Process | None) -> None:
    """Kill everything that belongs to an instance whose program is or was ``main``; its keeper is left to note it.

    Raise ``step-failed`` naming the processes that survive being killed.
    """
    if record.boot != records.boot:
        return
    deadline = time.monotonic() + DYING
    while left := members(records.folder(record.name), record, main):
        if time.monotonic() >= deadline:
            numbers = ", ".join(str(process.pid) for process in left)
            raise LadingError(
                "step-failed",
                doing=f"stopping {record.name}",
                happened=f"killed {DYING:.0f} s ago and still there: process {numbers}",
                now="it may still hold its port and files",
                hint=f"such a process waits in the kernel, often for a disk: look at /proc/{left[0].pid}/stack",
            )
        for process in left:
            send(process, signal.SIGKILL)
        time.sleep(PAUSE)


def members(folder: Path, record: Record, main: Process | None) -> list[Process]:
    """Return every living process of an instance, its keeper excepted.

    They are known by their control group, by the session or group that the program leads, or by the mark in the
    environment that children inherit: a process would have to leave all three to stay.
    """
    grouped = limits.members(record.cgroups)
    mark = f"LADING_RECORD={folder}".encode()
    reused = _is_reused(main)
    found = []
    for stat in stats():
        if (
            stat.process.pid in grouped
            or (not reused and _is_led_by(stat, main))
            or has_variable(stat.process.pid, mark)
        ):
            found.append(stat.process)
    return found


def _is_led_by(stat: Stat, main: Process | None) -> bool:
    return main is not None and main.pid in (stat.process.pid, stat.group, stat.session)


def _is_reused(main: Process | None) -> bool:
    # While anybody is left in a session its number is not given out again; so a new owner of it means nobody is left.
    stat = stat_of(main.pid) if main is not None else None
    return stat is not None and stat.process != main
