"""Brings up what backs a local environment for work on its project: the very steps of a rollout, without a release."""

from collections.abc import Callable
from pathlib import Path

from lading.agent.asking import BringRequest
from lading.agent.backing import require_local
from lading.agent.observing import observe
from lading.agent.received import check_bringing
from lading.agent.releases import ReleaseShelf
from lading.agent.rollouts import Rollouts
from lading.build.report import Report
from lading.engine import resolving
from lading.engine.world import World
from lading.model.data_steps import StartDatabase
from lading.model.environment import EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.manifest import Manifest
from lading.model.plan import Plan, Step
from lading.model.rollout import Rollout
from lading.planner.backing import only
from lading.planner.plans import BACKING, is_backed, plan_backing
from lading.planner.units import configure


class Bringing:
    """Opens rollouts of servers of databases and backing services alone."""

    def __init__(self, world: World, rollouts: Rollouts, releases: ReleaseShelf) -> None:
        self._world = world
        self._rollouts = rollouts
        self._releases = releases

    def bring(self, asked: BringRequest, source: Path, report: Report) -> Rollout | None:
        """Open a rollout that brings up what is not up as the manifest has it; None when all of it is.

        ``source`` is the tar of what services have mounted, ``report`` is told of images that are fetched. Raise
        ``not-local`` for an environment of another tier, ``no-engine`` where no container can run, ``busy`` while a
        rollout of it is under way and there is something to do.
        """
        check_bringing(asked)
        require_local(self._world, asked.project, asked.environment, asked.table)
        manifest, table = only(asked.manifest, asked.table)
        self._require_engine(asked.environment, manifest)
        release = self._releases.take(source, manifest, BACKING, "", report)
        configuration = configure(asked.environment, table, {}, manifest)

        def prepare() -> Callable[[int], Plan] | None:
            record = self._record(asked)
            observed = observe(self._world, record, release, configuration, register=True)

            def plan(number: int) -> Plan:
                return plan_backing(number, release, configuration, observed)

            up = is_backed(plan(0), observed) and all(self._answers(record, step) for step in plan(0).steps)
            return None if up else plan

        return self._rollouts.back(asked, prepare)

    def _answers(self, record: EnvironmentRecord, step: Step) -> bool:
        """Tell whether a database's server lets programs in: one that has just been started may need a moment."""
        if not isinstance(step, StartDatabase):
            return True
        try:
            return not self._world.servers.trouble(resolving.url_of(self._world, record.key, step.login))
        except LadingError as error:
            if error.code != "database-failed":
                raise
            return False

    def _record(self, asked: BringRequest) -> EnvironmentRecord:
        """Return the environment's record, made where it never had a rollout."""
        record = self._world.journal.environment(asked.project, asked.environment)
        if record is None:
            record = EnvironmentRecord(project=asked.project, name=asked.environment, tier="local")
            self._world.journal.save_environment(record)
        return record

    def _require_engine(self, environment: str, manifest: Manifest) -> None:
        names = ", ".join((*manifest.databases, *manifest.services))
        try:
            self._world.runtime.require("image")
        except LadingError as error:
            raise LadingError(
                error.code,
                doing="refused",
                happened=f"{names} of {environment} would run in containers, and none can run here: {error.happened}",
                now="nothing was started",
                hint=error.hint,
            ) from error
