"""Carries one run of a job: begun once, watched to its end, judged, recorded; whoever dies meanwhile.

What was opened is in the journal, and what was begun is known to the runtime by its name. So carrying it again after a
death joins a run that goes on, and records the end of one that has ended; nothing is started a second time.
"""

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from lading.engine import resolving
from lading.engine.context import Locks
from lading.engine.patience import Parked, patiently
from lading.engine.retention import asked, retire
from lading.engine.story import WITHHELD, known_secrets
from lading.engine.world import World
from lading.model.errors import LadingError
from lading.model.jobs import Ending, JobRun
from lading.model.manifest import Expect
from lading.model.secret import Secret, redact
from lading.ports.runtime import Ended

log = logging.getLogger(__name__)

# What keeps a run from beginning now, and is over by itself or by somebody's help.
HEALS = ("no-space", "no-engine")

# Seconds between two looks at whether somebody asked a run to end; its own end is noticed at once.
LOOK_EVERY = 0.25


class JobCarrier:
    """Carries the runs of one agent. ``stopping`` tells that it is about to end: then runs go on without it."""

    def __init__(self, world: World, locks: Locks, stopping: Callable[[], bool]) -> None:
        self._world = world
        self._locks = locks
        self._stopping = stopping

    def carry(self, number: int) -> JobRun:
        """Carry a run to its end, from wherever it stands, and return it.

        Raise :class:`~lading.engine.patience.Parked` when that cannot be done now; then call again later.
        """
        run = self._known(number)
        if run.ending is not None or run.spec is None:
            return run
        if run.stop and not run.began:
            return self._finish(run, "stopped", f"by {run.stop}, before it began")
        try:
            secrets = self._secrets(run)
            if secrets is not None:
                run = self._begin(run, secrets)
        except LadingError as error:
            if error.code in HEALS:
                raise Parked(str(error)) from error
            return self._finish(run, "failed", f"{error.happened}; {error.hint}" if error.hint else error.happened)
        return self._conclude(run, self._await(run), secrets or {})

    def give_up(self, number: int, error: BaseException) -> JobRun:
        """End a run that no try could carry on."""
        return self._finish(self._known(number), "interrupted", f"{type(error).__name__}: {error}")

    # to its end

    def _begin(self, run: JobRun, secrets: dict[str, Secret]) -> JobRun:
        with self._locks.of(run.key):
            # While a database is migrated nobody may begin to write to it.
            if any(self._world.runtime.settle(name) is None for name in self._world.runtime.unsettled(run.key)):
                raise Parked("a database is being migrated")
            if not run.began:
                run = self._change(run, began=self._world.clock.now())
            self._world.runtime.begin_run(asked(run), secrets)
        return run

    def _await(self, run: JobRun) -> Ended:
        clock = self._world.clock
        # By wall time since it began, as another agent may have begun it; held to its limit if that jumped.
        passed = max(0.0, clock.now() - run.began)
        deadline = clock.monotonic() + max(0.0, run.timeout - passed)
        while True:
            left = deadline - clock.monotonic()
            try:
                end = self._world.runtime.run_end(asked(run), wait=max(0.0, min(LOOK_EVERY, left)))
            except LadingError as error:
                # It goes on, or has ended, whether it can be looked at now or not (an engine that is restarted).
                raise Parked(str(error)) from error
            if end is not None:
                return end
            if self._stopping():
                raise Parked("the agent is stopping; the run goes on, and the next agent takes it up")
            run = self._known(run.id)
            if left <= 0 and not run.overdue:
                run = self._change(run, overdue=True)
            if run.stop or run.overdue:
                assert run.spec is not None, "only what was begun is waited for"
                self._world.runtime.stop_run(asked(run), grace=run.spec.grace)

    def _conclude(self, run: JobRun, end: Ended, secrets: dict[str, Secret]) -> JobRun:
        run = self._known(run.id)
        ending, reason = self._judged(run, end, secrets)
        found = self._finish(run, ending, reason, end)
        try:
            retire(self._world, run)
        except LadingError as error:
            # The run has ended; what is left of old ones goes with the next.
            log.warning("output of old runs of %s in %s is left: %s", run.job, run.key, error)
        return found

    def _judged(self, run: JobRun, end: Ended, secrets: dict[str, Secret]) -> tuple[Ending, str]:
        if end.lost:
            return "interrupted", "the machine went down while it ran"
        ended_well = end.exit_status == 0
        if run.overdue and not ended_well:
            return "timed_out", f"it was stopped at its time limit of {run.timeout:g} s"
        if run.stop and not ended_well:
            return "stopped", f"by {run.stop}"
        if end.exit_status is None:
            return "interrupted", "nobody saw its end: it was killed together with its keeper, or removed"
        named = {path: True for path in run.wanted.values() if path not in run.expect.files}
        wanted: Expect = msgspec.structs.replace(run.expect, files={**named, **run.expect.files})
        answer = self._world.checks.judge(
            wanted, exit_status=end.exit_status, output=end.output, outputs=end.outputs, values=secrets
        )
        return ("succeeded", "") if answer.passed else ("failed", answer.reason)

    # the journal

    def _finish(self, run: JobRun, ending: Ending, reason: str, end: Ended | None = None) -> JobRun:
        now = self._world.clock.now()
        facts: dict[str, Any] = {"ending": ending, "reason": self._masked(run, reason), "finished": now}
        if end is not None:
            facts |= {"exit_status": end.exit_status, "seconds": round(end.seconds, 3)}
            facts |= {"outputs": end.files, "outputs_at": end.outputs}
        return self._change(run, **facts)

    def _masked(self, run: JobRun, reason: str) -> str:
        known = known_secrets(self._world, f"run {run.id}") if reason else ()
        return redact(reason, known) if known is not None else WITHHELD

    def _secrets(self, run: JobRun) -> dict[str, Secret] | None:
        """Return what the run's variables hold; None where that cannot be had now and a begun run goes on without."""
        assert run.spec is not None, "what was missed is not carried"
        try:
            return resolving.secrets_of(self._world, run.key, run.spec)
        except LadingError as error:
            if not run.began:
                raise
            log.warning("run %s was begun and is watched without its secrets: %s", run.id, error)
            return None

    def _known(self, number: int) -> JobRun:
        run = patiently(self._world.clock, lambda: self._world.journal.run(number))
        if run is None:
            raise LadingError("unknown-run", happened=f"the journal has no run {number}")
        return run

    def _change(self, run: JobRun, **changes: Any) -> JobRun:
        def change(now: JobRun) -> JobRun:
            return msgspec.structs.replace(now, **changes)

        return patiently(self._world.clock, lambda: self._world.journal.change_run(run.id, change))
