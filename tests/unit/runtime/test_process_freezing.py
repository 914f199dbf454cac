"""Who is made to stand still, and who goes on again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.runtime.process.freezing import Family, freeze, stands_still, thaw
from lading.runtime.process.identity import Process, boot_id, stat_of
from lading.runtime.process.records import Record, Records
from tests.support import until

# A program with a thread, and a child in a session of its own; both go on counting.
BUSY = """
import os, threading, time
if os.fork() == 0:
    os.setsid()
os.write(1, b"%d\\n" % os.getpid())  # in one piece: two processes share the pipe
threading.Thread(target=lambda: [time.sleep(0.001) for _ in iter(int, 1)], daemon=True).start()
while True:
    time.sleep(0.001)
"""


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "instances")


@pytest.fixture
def started(records: Records) -> Iterator[tuple[Record, list[int]]]:
    """An instance as a keeper would have noted it, and the numbers of its two processes."""
    record = Record(name="web-1", marker="shop/stage", attempt=1, started=0.0, boot=boot_id())
    os.close(records.try_lock("web-1") or 0)
    records.write(record)
    environ = {**os.environ, "LADING_RECORD": str(records.folder("web-1"))}
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        assert program.stdout is not None
        pids = [int(program.stdout.readline()) for _ in range(2)]
        stat = (Path("/proc") / str(program.pid) / "stat").read_text()
        (records.folder("web-1") / "1.pid").write_text(stat)
        try:
            yield record, pids
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


def processes(pids: list[int]) -> list[Process]:
    return [stat.process for pid in pids if (stat := stat_of(pid)) is not None]


def test_everybody_stands_still_and_goes_on(records: Records, started: tuple[Record, list[int]]) -> None:
    """Program, threads and a child that left the session stop; each was noted first; all of them go on again."""
    record, pids = started
    noted: list[Process] = []
    freeze(Family([(records, record)]), noted.append)
    assert {process.pid for process in noted} == set(pids)
    assert all(stands_still(process) for process in processes(pids))
    thaw(noted)
    until(lambda: not any(stands_still(process) for process in processes(pids)))


def test_who_stood_still_before_is_left_so(records: Records, started: tuple[Record, list[int]]) -> None:
    """A process that somebody else had stopped is not noted, and so nobody here lets it go on."""
    record, pids = started
    os.kill(pids[0], signal.SIGSTOP)
    until(lambda: stands_still(processes(pids)[0]))
    noted: list[Process] = []
    freeze(Family([(records, record)]), noted.append)
    assert [process.pid for process in noted] == [pids[1]]


def test_strangers_go_on(records: Records, started: tuple[Record, list[int]]) -> None:
    """What belongs to no instance is not touched, whatever it has in common with one."""
    record, _ = started
    environ = {**os.environ, "LADING_RECORD": str(records.folder("web-10"))}
    with subprocess.Popen([sys.executable, "-c", BUSY], env=environ, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        pids = [int(other.stdout.readline()) for _ in range(2)]
        noted: list[Process] = []
        try:
            freeze(Family([(records, record)]), noted.append)
            assert not set(pids) & {process.pid for process in noted}
            thaw(noted)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
