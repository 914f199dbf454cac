"""What a hold does to processes: those of an environment stand still, the run is one that the launcher prepared."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from lading.model.errors import LadingError
from lading.runtime.process import ending, logs
from lading.runtime.process.freezing import Family, freeze, thaw
from lading.runtime.process.hold import Folder, HoldPlan
from lading.runtime.process.identity import Process, boot_id, wait_end
from lading.runtime.process.launcher import Prepared
from lading.runtime.process.records import Record, Records


class StoppedProcesses:
    """The processes of an environment, but for the run's own."""

    def __init__(self, folder: Folder, plan: HoldPlan) -> None:
        self._folder = folder
        self._plan = plan
        self._kinds = tuple(Records(Path(plan.root) / kind) for kind in ("instances", "runs"))
        self._family: Family | None = None

    def look(self) -> None:
        """Look at the machine: who is a stranger is not looked at again."""
        self._family = Family(self._others())
        self._family.members()

    def freeze(self) -> None:
        """Stop everybody (SIGSTOP)."""
        if self._family is None:
            self.look()
        if self._family is not None:
            boot = boot_id()
            freeze(self._family, lambda process: self._folder.note_frozen(boot, process.pid, process.start))

    def thaw(self) -> None:
        """Let those of this boot go on."""
        boot = boot_id()
        noted = [words for words in self._folder.frozen() if len(words) == 3 and words[0] == boot]
        thaw(Process(int(pid), int(start)) for _, pid, start in noted)

    def _others(self) -> Iterator[tuple[Records, Record]]:
        for records in self._kinds:
            for record in records.all():
                if record.marker == self._plan.marker and record.name != self._plan.run:
                    yield records, record


class ProcessWork:
    """A run that is a process; ``prepared`` is None where there is nothing to begin."""

    def __init__(self, plan: HoldPlan, prepared: Prepared | None) -> None:
        self._name = plan.run
        self._runs = Records(Path(plan.root) / "runs")
        self._prepared = prepared

    def run(self, deadline: float) -> int | None:
        """Run to the end, which is the deadline at the latest, and return the exit status (None: it was stopped)."""
        if self._prepared is None:
            raise LadingError("step-failed", happened="there is nothing to run")
        record = self._prepared.record
        lock = self._runs.try_lock(record.name)
        if lock is None:
            raise LadingError("step-failed", happened=f"the run {record.name} goes on already")
        path = log_of(self._runs, record.name)
        path.unlink(missing_ok=True)
        log = logs.open_log(path)
        try:
            came_up = self._prepared.spawn(self._runs, lock, log)
        finally:
            os.close(log)
            os.close(lock)
        process = self._runs.running(record) if came_up else None
        ended = process is None or wait_end(process, max(0.0, deadline - time.monotonic()))
        ending.end(self._runs, record)
        return self._runs.exit_status(record) if ended else None

    def end(self) -> None:
        """End what may go on of it."""
        record = self._runs.read(self._name)
        if record is not None:
            ending.end(self._runs, record)


def log_of(runs: Records, name: str) -> Path:
    """Return where a run's output lies."""
    return runs.folder(name) / "log"
