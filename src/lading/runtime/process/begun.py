"""Runs that go on by themselves: begun once, found again by whoever comes after, ended and dropped on demand."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lading.model.secret import Secret
from lading.ports.runtime import Ended, Run, Written
from lading.runtime.process import ending, logs
from lading.runtime.process.identity import wait_end
from lading.runtime.process.launcher import Attempt, Launcher, explained
from lading.runtime.process.outputs import files_in
from lading.runtime.process.records import Record, Records
from lading.runtime.process.spawn import reap

OUTPUT_LIMIT = 64 << 10  # bytes of a run's output that are returned with its end
LOG_LIMIT = 16 << 20  # bytes of a run's output that are kept
AT_ONCE = 1 << 20  # bytes of output that are read for one answer
LOST = "(lines before this one were dropped: too much was written)"


class BegunRuns:
    """Begun runs among the records of all runs, so that a hold freezes them as it does the others."""

    def __init__(self, records: Records, launcher: Launcher) -> None:
        self._records = records
        self._launcher = launcher

    def begin(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Start a run unless one of its name was ever begun."""
        with explained(run.spec):
            if self._records.read(run.name) is not None:
                return
            lock = self._records.try_lock(run.name)
            if lock is None:  # somebody is just beginning it
                return
            try:
                attempt = Attempt(
                    records=self._records,
                    previous=None,
                    log=self._log(run.name),
                    name=run.name,
                    args=run.args,
                    with_outputs=True,
                    kept=True,
                )
                self._launcher.start(run.spec, secrets, attempt, lock)
            finally:
                os.close(lock)

    def end(self, run: Run, wait: float) -> Ended | None:
        """Wait for a run and return how it ended, None while it goes on."""
        record = self._records.read(run.name)
        if record is None:
            return Ended(exit_status=None)
        logs_cut(self._log(run.name), self._shift(run.name))
        process = self._records.running(record)
        if process is not None and not wait_end(process, wait):
            return None
        ending.end(self._records, record)  # what it left in the background ends with it
        reap()
        return self._ended(record)

    def _ended(self, record: Record) -> Ended:
        status = self._records.exit_status(record)
        # A machine that goes down kills first and asks later: a signal noted then is the machine's, not the job's.
        lost = record.boot != self._records.boot and (status is None or status < 0)
        return Ended(
            exit_status=None if lost else status,
            output=logs.tail(self._log(record.name), OUTPUT_LIMIT).decode(errors="replace"),
            outputs=record.outputs,
            started=record.started,
            seconds=max(0.0, self._records.ended_at(record) - record.started),
            lost=lost,
            files=files_in(record.outputs),
        )

    def stop(self, run: Run, grace: float) -> None:
        """Ask a run to end, wait, then kill what is left of it."""
        record = self._records.read(run.name)
        if record is None:
            return
        ending.stop(self._records, record, grace)
        reap()

    def output(self, run: Run, cursor: str) -> Written:
        """Return lines after a cursor, which counts the bytes from the run's first one."""
        record = self._records.read(run.name)
        if record is None:
            return Written(lines=(), cursor=cursor)
        goes_on = self._records.running(record) is not None
        wanted, shifted = int(cursor or 0), _number(self._shift(run.name))
        start, data = read_from(self._log(run.name), max(0, wanted - shifted))
        if goes_on:
            # The rest of a line is being written.
            data = data[: data.rfind(b"\n") + 1]
        lines = data.decode(errors="replace").splitlines()
        if cursor and start + shifted > wanted:
            lines = [LOST, *lines]
        return Written(lines=tuple(lines), cursor=str(start + shifted + len(data)))

    def drop(self, run: Run) -> None:
        """Forget a run that has ended."""
        record = self._records.read(run.name)
        if record is None:
            return
        if record.outputs:
            shutil.rmtree(record.outputs, ignore_errors=True)
        self._records.forget(run.name)

    def _log(self, name: str) -> Path:
        return self._records.folder(name) / "log"

    def _shift(self, name: str) -> Path:
        return self._records.folder(name) / "shift"


def logs_cut(log: Path, shift: Path) -> None:
    """Keep a log within its limit, and count by how much its bytes have moved."""
    cut = logs.trim(log, LOG_LIMIT)
    if cut and _begins_with_data(log):
        shift.write_text(str(_number(shift) + cut))


def _begins_with_data(log: Path) -> bool:
    fd = os.open(log, os.O_RDONLY)
    try:
        return logs.data_start(fd) == 0
    finally:
        os.close(fd)


def _number(file: Path) -> int:
    return int(file.read_text()) if file.exists() else 0


def read_from(log: Path, offset: int) -> tuple[int, bytes]:
    """Return what stands in a log from an offset on, as far as one answer goes, and where it really begins."""
    try:
        fd = os.open(log, os.O_RDONLY)
    except FileNotFoundError:
        return offset, b""
    try:
        start = max(offset, logs.data_start(fd)) if offset < os.fstat(fd).st_size else offset
        data = os.pread(fd, AT_ONCE, start)
    finally:
        os.close(fd)
    if len(data) == AT_ONCE and b"\n" in data:
        data = data[: data.rfind(b"\n") + 1]
    return start, data
