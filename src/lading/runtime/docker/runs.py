"""Commands that are run to their end in a container of the released image: smoke commands, jobs, migrations."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lading.model.secret import Secret, redact
from lading.ports.runtime import Run, RunResult
from lading.runtime.docker import names
from lading.runtime.docker.containers import Containers, explained
from lading.runtime.docker.states import exit_status, is_running, label, started_at, with_end

OUTPUT_LINES = 2000  # of a run's output that are returned
OUTPUT_LIMIT = 64 << 10  # bytes of them
KEPT = 200  # finished runs whose output files are kept

# Makes and starts the container of a run; its secrets are for that container alone.
Begin = Callable[[Run, Mapping[str, Secret]], None]


class Runs:
    """Runs of one agent; ``begin`` starts one."""

    def __init__(self, containers: Containers, begin: Begin, listing: Path) -> None:
        self._containers = containers
        self._begin = begin
        self._listing = listing
        self._starting = threading.Lock()

    def run(self, run: Run, secrets: Mapping[str, Secret]) -> RunResult:
        """Run a command, or join the run of that name that still goes on, and return how it ended."""
        with self._starting, explained(run.spec, secrets):
            found = self._containers.inspect(run.name)
            if found is None or not is_running(found):
                self._containers.remove(run.name)
                self._begin(run, secrets)
                found = self._containers.inspect(run.name) or {}
        began = started_at(found)
        # By wall time since its start, as a joined run began under another agent; held to its timeout if that jumped.
        left = min(run.timeout, max(0.0, run.timeout - (time.time() - began)))
        in_time = self._containers.wait(run.name, left)
        if not in_time:
            self._containers.kill(run.name)
        return self._result(run, secrets, began, in_time=in_time)

    def output(self, name: str) -> str:
        """Return the last of what was written under a name, also by a container that is gone."""
        return "\n".join(self._containers.last_lines(name, OUTPUT_LINES))[-OUTPUT_LIMIT:]

    def forget(self, name: str) -> None:
        """Remove a run's container; its output stays, and its files among those of the last runs."""
        found = self._containers.inspect(name)
        if found is not None:
            self._containers.remove(name)
            self._note(label(found, names.OUTPUTS))

    def _result(self, run: Run, secrets: Mapping[str, Secret], began: float, *, in_time: bool) -> RunResult:
        found = self._containers.inspect(run.name)
        output = self._containers.output(run.name, OUTPUT_LINES)[-OUTPUT_LIMIT:]
        if found is not None:
            output = with_end(output, found)
        outputs = label(found, names.OUTPUTS) if found is not None else ""
        status = exit_status(found) if found is not None and in_time else None
        self._containers.remove(run.name)
        self._note(outputs)
        return RunResult(
            exit_status=status,
            output=redact(output, secrets.values()),
            outputs=outputs,
            seconds=max(0.0, time.time() - began),
        )

    def _note(self, outputs: str) -> None:
        with self._starting:
            known = self._listing.read_text().splitlines() if self._listing.exists() else []
            known = [*(path for path in known if path != outputs), outputs]
            for path in known[:-KEPT]:
                shutil.rmtree(path, ignore_errors=True)
            draft = self._listing.with_suffix(".draft")
            draft.write_text("\n".join(known[-KEPT:]) + "\n")
            draft.replace(self._listing)
