"""What an act has at hand: the ports, its rollout, and the way to tell of its progress."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lading.engine import resolving
from lading.engine.patience import Parked, patiently
from lading.engine.story import Story
from lading.engine.world import World
from lading.model.bill import Envelope
from lading.model.environment import EnvironmentRecord, InstanceSpec, InstanceState
from lading.model.errors import LadingError
from lading.model.jobs import JobRun
from lading.model.plan import Step
from lading.model.rollout import Mark, Rollout
from lading.model.secret import Secret

log = logging.getLogger(__name__)

# Seconds between two looks at whether somebody turned the rollout back, within one long wait.
HEAR_EVERY = 0.5

# Lines among which those are looked for that tell more than that the instance was probed.
LINES_LOOKED_AT = 3000

_T = TypeVar("_T")


class Locks:
    """One lock per environment around changing its routes: the engine and the supervisor take turns."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def of(self, environment: str) -> threading.Lock:
        """Return the lock of ``project/environment``."""
        with self._guard:
            return self._locks[environment]


class Context:
    """The surroundings of one act."""

    def __init__(
        self, world: World, rollout: Rollout, story: Story, locks: Locks, stopping: Callable[[], bool]
    ) -> None:
        self.world = world
        self.rollout = rollout
        self.locks = locks
        self._story = story
        self._stopping = stopping
        self.index = 0
        self.step: Step | None = None

    @property
    def key(self) -> str:
        """The environment as ``project/name``."""
        return f"{self.rollout.project}/{self.rollout.environment}"

    def record(self) -> EnvironmentRecord:
        """Return the environment's record as the journal has it now."""
        record = self._patiently(lambda: self.world.journal.environment(self.rollout.project, self.rollout.environment))
        if record is None:
            raise LadingError(
                "unknown-environment",
                doing=f"rollout {self.rollout.id}",
                happened=f"the journal has no environment {self.key}",
                hint="lading status",
            )
        return record

    def marks(self) -> Sequence[Mark]:
        """Return the rollout's marks so far."""
        return self._patiently(lambda: self.world.journal.marks(self.rollout.id))

    def unfinished_runs(self) -> Sequence[JobRun]:
        """Return the runs of the environment's jobs that have not ended, oldest first."""
        found = self._patiently(self.world.journal.unfinished_runs)
        return tuple(run for run in found if run.key == self.key)

    def run(self, number: int) -> JobRun | None:
        """Return one run of a job as the journal has it now."""
        return self._patiently(lambda: self.world.journal.run(number))

    def keep_statement(self, digest: str, envelope: Envelope) -> None:
        """Keep a signed statement about a release's digest."""
        self._patiently(lambda: self.world.journal.add_statement(digest, envelope))

    def progress(self, text: str, **data: Any) -> None:
        """Tell what the step is waiting for."""
        self._tell("progress", text, data)

    def warn(self, text: str) -> None:
        """Tell of something that went wrong without turning the rollout around."""
        self._tell("warning", text)

    def cancelled(self) -> str:
        """Return who asked this rollout to turn back; empty when nobody did."""
        current = self._patiently(lambda: self.world.journal.rollout(self.rollout.id))
        return current.cancel if current is not None else ""

    def check_cancelled(self) -> None:
        """Raise ``cancelled`` when somebody asked the rollout to turn back, or Parked when the agent is stopping."""
        if self._stopping():
            raise Parked("the agent is stopping; it takes the rollout up again when it starts")
        if self.step is not None and not self.step.critical:
            # Behind the point of no return: the new release serves, and what is left only tidies up.
            return
        who = self.cancelled()
        if who and self.rollout.direction == "forward":
            raise LadingError("cancelled", doing=f"rollout {self.rollout.id}", happened=f"turned back by {who}")

    def wait(self, seconds: float) -> None:
        """Wait, but end early when the rollout is cancelled or the agent stops."""
        clock = self.world.clock
        end = clock.monotonic() + seconds
        while (left := end - clock.monotonic()) > HEAR_EVERY:
            clock.wait(min(left, HEAR_EVERY), self._stopping)
            self.check_cancelled()
        clock.wait(max(0.0, left), self._stopping)
        self.check_cancelled()

    def secrets_of(self, spec: InstanceSpec) -> dict[str, Secret]:
        """Return the environment variables of an instance that hold secrets, in the versions its unit pinned."""
        return resolving.secrets_of(self.world, self.key, spec)

    def up(self, spec: InstanceSpec) -> InstanceState:
        """See that an instance runs and return it; what runs needs no secret, so that a lost one does no harm."""
        state = self.world.runtime.look(spec.name)
        if state is not None and state.running:
            return state
        return self.world.runtime.start(spec, self.secrets_of(spec))

    def last_words(self, spec: InstanceSpec, lines: int = 5) -> tuple[str, ...]:
        """Return the last lines an instance wrote, for an error's details, without those on being probed."""
        written = self.world.runtime.logs(spec.name, lines=LINES_LOOKED_AT)
        probes = [f"GET {probe.path} " for probe in (spec.health, spec.ready) if probe is not None]
        telling = [line for line in written if not any(probe in line for probe in probes)]
        return tuple(f"{spec.label}: {line}" for line in (telling or written)[-lines:])

    def overheard(self, spec: InstanceSpec) -> str:
        """Return the last line an instance wrote, for who watches it start; empty when it cannot be had."""
        try:
            return next(iter(self.world.runtime.logs(spec.name, lines=1)), "")
        except Exception:
            # What is only nice to know must not turn around what goes well.
            log.info("the last line of %s cannot be read", spec.name, exc_info=True)
            return ""

    def serving_now(self) -> str:
        """Say what serves, for an error's third sentence."""
        serving = self.record().serving
        if serving is None:
            return f"{self.rollout.environment} serves nothing yet"
        return f"{self.rollout.environment} serves {serving.release.version}"

    def _tell(self, kind: str, text: str, data: dict[str, Any] | None = None) -> None:
        self._story.tell(kind, index=self.index, step=self.step, text=text, data=data)

    def _patiently(self, work: Callable[[], _T]) -> _T:
        return patiently(self.world.clock, work)
