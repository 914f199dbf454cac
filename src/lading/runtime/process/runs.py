"""Commands that are run to their end: smoke commands, jobs, migrations."""

import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from lading.model.secret import Secret, redact
from lading.ports.runtime import Run, RunResult
from lading.runtime.process import ending, logs
from lading.runtime.process.identity import wait_end
from lading.runtime.process.launcher import Attempt, Launcher, explained
from lading.runtime.process.records import POLL, Record, Records
from lading.runtime.process.spawn import reap

OUTPUT_LIMIT = 64 << 10  # bytes of a run's output that are returned
LOG_LIMIT = 4 << 20  # bytes of a run's output that are kept on disk while it runs
LOOK = 1.0  # seconds between two looks at the size of a running command's output
KEPT = 200  # finished runs whose output and files are kept


class Runs:
    """Runs below one directory of records; each keeps its log and its outputs until later ones push it out."""

    def __init__(self, records: Records, launcher: Launcher) -> None:
        self._records = records
        self._launcher = launcher
        self._starting = threading.Lock()

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run a command, or join the run of that name that still goes on, and return how it ended."""
        record = self._start_or_join(run, secrets)
        self._wait(record, run.timeout)
        ending.end(self._records, record)  # what it left in the background ends with it
        reap()
        seconds = max(0.0, time.time() - record.started)
        stopped = self._timed_out(record).exists()
        output = logs.tail(self._log(run.name), OUTPUT_LIMIT).decode(errors="replace")
        return RunResult(
            exit_status=None if stopped else self._records.exit_status(record),
            output=redact(output, secrets.values()),
            outputs=record.outputs,
            seconds=seconds,
        )

    def _start_or_join(self, run: Run, secrets: Mapping[str, Secret]) -> Record:
        spec = run.spec
        while True:
            with self._starting, explained(spec):
                record = self._records.read(run.name)
                if record is not None and self._records.running(record) is not None:
                    return record
                lock = self._records.try_lock(run.name)
                if lock is not None:
                    try:
                        return self._start(run, secrets, record, lock)
                    finally:
                        os.close(lock)
            time.sleep(POLL)  # a keeper of the former run is about to note its end

    def _start(self, run: Run, secrets: Mapping[str, Secret], previous: Record | None, lock: int) -> Record:
        if previous is not None:
            ending.kill_all(self._records, previous, self._records.process(previous, waiting=False))
        log = self._log(run.name)
        log.unlink(missing_ok=True)
        attempt = Attempt(
            records=self._records, previous=previous, log=log, name=run.name, args=run.args, with_outputs=True
        )
        return self._launcher.start(run.spec, secrets, attempt, lock)

    def _wait(self, record: Record, timeout: float) -> None:
        # By wall time since its start, as a joined run began under another process; held to ``timeout`` if it jumped.
        left = min(timeout, max(0.0, timeout - (time.time() - record.started)))
        deadline = time.monotonic() + left
        process = self._records.running(record)
        while process is not None and not wait_end(process, min(LOOK, deadline - time.monotonic())):
            logs.trim(self._log(record.name), LOG_LIMIT)
            if time.monotonic() >= deadline:
                self._timed_out(record).touch(mode=0o600)
                return

    def names(self) -> list[str]:
        """Return the names of the runs that are recorded."""
        return self._records.names()

    def prune(self) -> None:
        """Drop all but the newest finished runs, with their outputs."""
        records = sorted(self._records.all(), key=lambda record: record.started, reverse=True)
        for record in [record for record in records if not record.kept][KEPT:]:
            if self._records.running(record) is None:
                shutil.rmtree(record.outputs, ignore_errors=True)
                self._records.forget(record.name)

    def _log(self, name: str) -> Path:
        return self._records.folder(name) / "log"

    def _timed_out(self, record: Record) -> Path:
        return self._records.folder(record.name) / f"{record.attempt}.timeout"
