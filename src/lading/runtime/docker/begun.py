"""Runs in containers that go on by themselves: begun once, found again by whoever comes after, ended and dropped.

While a run goes on its container tells everything. Once it has ended, how it ended and what it wrote is put on disk,
and the container goes; so whoever asks later gets the same answer.
"""

import calendar
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from lading.model import typed
from lading.model.secret import Secret
from lading.ports.runtime import Ended, Run, Written
from lading.runtime.docker import names, states
from lading.runtime.docker.containers import Containers, explained
from lading.runtime.docker.runs import OUTPUT_LIMIT, OUTPUT_LINES, Begin
from lading.runtime.process.outputs import files_in
from lading.runtime.process.records import file_name, sync_directory

AT_ONCE = 5000  # lines that are given in one answer
KEPT_LINES = 100_000  # lines of output that are kept of a run
PROC_STAT = Path("/proc/stat")


class BegunRuns:
    """Begun runs of one agent; ``begin`` starts one's container, ``folder`` keeps what is known of those begun."""

    def __init__(self, containers: Containers, begin: Begin, folder: Path) -> None:
        self._containers = containers
        self._begin = begin
        self._folder = folder
        self._starting = threading.Lock()

    def begin(self, run: Run, secrets: Mapping[str, Secret]) -> None:
        """Start a run unless one of its name was ever begun."""
        with self._starting, explained(run.spec, secrets):
            found = self._containers.inspect(run.name)
            if self._file(run, "end").exists() or (found is not None and states.was_started(found)):
                return
            # Noted first: a run whose container somebody removes is not begun once more.
            if self._file(run, "begun").exists() and found is None:
                return
            self._begin(run, secrets)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file(run, "begun").touch(mode=0o600)

    def end(self, run: Run, wait: float) -> Ended | None:
        """Wait for a run and return how it ended, None while it goes on."""
        known = self._known(run)
        if known is not None:
            return known
        found = self._containers.inspect(run.name)
        if found is None:
            return Ended(exit_status=None)
        if states.is_running(found):
            if not self._containers.wait(run.name, max(wait, 0.01)):
                return None
            found = self._containers.inspect(run.name) or found
        started, finished = states.started_at(found), states.finished_at(found)
        # What died with its machine, or with an engine that was not told to keep it, did not end by itself.
        status = states.exit_status(found)
        lost = started < booted() and (finished >= booted() or status < 0 or status == states.KILLED_WITH_ENGINE)
        output = self._containers.output(run.name, OUTPUT_LINES)[-OUTPUT_LIMIT:]
        end = Ended(
            exit_status=None if lost or not states.was_started(found) else status,
            output=states.with_end(output, found),
            outputs=states.label(found, names.OUTPUTS),
            started=started,
            seconds=max(0.0, finished - started),
            lost=lost,
            files=files_in(states.label(found, names.OUTPUTS)),
        )
        self._keep(run, end)
        return end

    def stop(self, run: Run, grace: float) -> None:
        """Ask a run to end, wait, then kill its container."""
        self._containers.stop(run.name, grace)

    def output(self, run: Run, cursor: str) -> Written:
        """Return lines after a cursor, which is the moment of the last one that was given."""
        lines, last = [], cursor
        for moment, line in self._stamped(run, cursor):
            if moment > cursor:
                lines.append(line)
                last = moment
            if len(lines) >= AT_ONCE:
                break
        return Written(lines=tuple(lines), cursor=last)

    def drop(self, run: Run) -> None:
        """Forget a run that has ended."""
        known = self._known(run)
        if known is not None and known.outputs:
            shutil.rmtree(known.outputs, ignore_errors=True)
        self._containers.discard(run.name)
        for part in ("log", "begun", "end"):
            self._file(run, part).unlink(missing_ok=True)

    def _stamped(self, run: Run, since: str) -> Iterator[tuple[str, str]]:
        log = self._file(run, "log")
        text = log.read_text() if log.exists() else self._containers.stamped(run.name, _seconds(since))
        for line in text.splitlines():
            moment, _, said = line.partition(" ")
            yield moment, said

    def _keep(self, run: Run, end: Ended) -> None:
        """Put the end on disk, then let the container go."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = self._containers.stamped(run.name, 0.0, KEPT_LINES)
        self._write(self._file(run, "log"), text.encode())
        self._write(self._file(run, "end"), msgspec.json.encode(end))
        sync_directory(self._folder)
        self._containers.discard(run.name)

    def _write(self, file: Path, data: bytes) -> None:
        draft = file.with_name(file.name + ".draft")
        draft.touch(mode=0o600)
        draft.write_bytes(data)
        draft.replace(file)

    def _known(self, run: Run) -> Ended | None:
        with suppress(FileNotFoundError):
            return typed.decode(self._file(run, "end").read_bytes(), Ended)
        return None

    def _file(self, run: Run, part: str) -> Path:
        return self._folder / f"{file_name(run.name)}.{part}"


def booted() -> float:
    """Return when this machine was started, in seconds since the epoch."""
    for line in PROC_STAT.read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _seconds(moment: str) -> float:
    """Return a moment as the engine writes it, in seconds since the epoch, rounded down a little."""
    if not moment:
        return 0.0
    whole = time.strptime(moment.partition(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S")
    return float(calendar.timegm(whole))
