"""What a hold does to containers: those of an environment are paused, the run is one that was made beforehand.

A paused container hears nothing, and connections that come meanwhile wait in the kernel. Which are paused is noted
before; what was paused before is left alone. Servers that back an environment are never paused: their names have points
in them, which no release's instances have, and a program that waits for one would wait for ever.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.runtime import Held, Run
from lading.runtime.docker import names
from lading.runtime.docker.containers import Containers
from lading.runtime.docker.names import RUN, Names
from lading.runtime.docker.runs import Runs
from lading.runtime.docker.states import exit_status
from lading.runtime.process.hold import Folder, HoldPlan
from lading.runtime.process.holds import Order

log = logging.getLogger(__name__)

NOTED = "container"  # the first word of a line about one
AT_ONCE = 8  # containers that are paused at a time
BACK = 5.0  # seconds for which an engine that is away is waited for before a guard gives up
AGAIN = 0.1  # seconds between two tries


class PausedContainers:
    """The containers of an environment, but for the run's own; ``root`` is the docker runtime's."""

    def __init__(self, folder: Folder, plan: HoldPlan, engine: Engine, root: Path) -> None:
        self._folder = folder
        self._plan = plan
        self._engine = engine
        self._names = Names(root)

    def look(self) -> None:
        """Ask the engine once, so that one that is away is found before anybody stands still."""
        list(self._running())

    def freeze(self) -> None:
        """Pause everybody, those included that are started meanwhile."""
        while found := list(self._running()):
            for container in found:
                self._folder.note_frozen(NOTED, container)
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                for done in [pool.submit(self._turn, container, "pause") for container in found]:
                    done.result()

    def thaw(self) -> None:
        """Let those go on that were noted; wait for an engine that is just being restarted.

        One that the engine does not let go keeps nobody else waiting; its error is raised at the end.
        """
        noted = [words[1] for words in self._folder.frozen() if len(words) == 2 and words[0] == NOTED]
        deadline = time.monotonic() + BACK
        failed: list[LadingError] = []
        for container in noted:
            try:
                while not self._let_go(container, patient=time.monotonic() < deadline):
                    time.sleep(AGAIN)
            except LadingError as error:
                failed.append(error)
        if failed:
            raise failed[0]

    def _let_go(self, container: str, *, patient: bool) -> bool:
        try:
            self._turn(container, "unpause")
        except LadingError as error:
            if error.code != "no-engine" or not patient:
                raise
            return False
        return True

    def _running(self) -> Iterator[str]:
        if not self._names.in_use:
            return
        filters = self._names.filters()
        filters["label"].append(f"{names.ENVIRONMENT}={self._plan.marker}")
        filters["status"] = ["running"]
        for entry in self._engine.get("/containers/json", filters=filters):
            name = entry["Labels"].get(names.NAME, "")
            if "." not in name and name != self._plan.run:
                yield str(entry["Id"])

    def _turn(self, container: str, act: str) -> None:
        try:
            self._engine.post(f"/containers/{segment(container)}/{act}")
        except EngineRefused as error:
            # Gone, or ended, or what it should be already.
            quiet = any(words in error.message for words in ("not paused", "already paused", "not running"))
            if error.status not in (404, 409) and not quiet:
                raise


class ContainerWork:
    """A run that is a container, which was made before the hold began."""

    def __init__(self, plan: HoldPlan, engine: Engine, root: Path) -> None:
        self._name = plan.run
        self._containers = Containers(engine, Names(root), RUN, root / "run-logs")

    def run(self, deadline: float) -> int | None:
        """Start it and return its exit status; None when it was stopped at the deadline."""
        self._containers.start(self._name)
        if not self._containers.wait(self._name, max(0.0, deadline - time.monotonic())):
            self._containers.kill(self._name)
            return None
        found = self._containers.inspect(self._name)
        if found is None:
            raise LadingError("step-failed", happened=f"the container of {self._name} was removed")
        return exit_status(found)

    def end(self) -> None:
        """Kill it where it goes on."""
        self._containers.kill(self._name)


class ContainerRunner:
    """Makes the containers of held runs; ``make`` makes one without starting it."""

    kind = "image"

    def __init__(self, make: Callable[[Run, Mapping[str, Secret]], None], runs: Runs) -> None:
        self._make = make
        self._runs = runs

    def order(self, held: Held, secrets: Mapping[str, Secret]) -> Order:
        """Make the container, which the guard starts."""
        self._make(held.run, secrets)
        return Order(container=held.run.name)

    def output(self, run: str) -> str:
        """Return the last of what a run wrote; nothing while the engine is away, for the hold is over all the same."""
        with _without_engine(f"the output of {run}"):
            return self._runs.output(run)
        return ""

    def forget(self, run: str) -> None:
        """Remove a run's container; one that an engine keeps that is away does no harm."""
        with _without_engine(f"the container of {run}"):
            self._runs.forget(run)


@contextmanager
def _without_engine(what: str) -> Iterator[None]:
    try:
        yield
    except LadingError as error:
        if error.code != "no-engine":
            raise
        log.warning("%s is left: %s", what, error)
