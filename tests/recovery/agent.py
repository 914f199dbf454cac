"""Rollouts and supervisor as an agent has them, over a house in memory."""

from lading.agent.asking import RolloutRequest
from lading.agent.changes import Changes
from lading.agent.gatekeeper import Gatekeeper
from lading.agent.rollouts import Rollouts
from lading.agent.supervisor import Supervisor
from lading.engine.context import Locks
from lading.model.rollout import Rollout
from lading.ports.journal import Journal
from lading.ports.sources.memory import MemorySources
from tests.recovery.house import ENVIRONMENT, TABLE, House
from tests.recovery.releases import PROJECT
from tests.support import until


class MemoryAgent:
    """Rollouts and supervisor over a house in memory."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.house = House.build(journal)
        self.world = self.house.world
        self.locks = Locks()
        self.rollouts = Rollouts(self.world, Gatekeeper(self.world, lambda: ()), Changes(), self.locks, MemorySources())
        chores = (self.rollouts.recover,)
        self.supervisor = Supervisor(self.world, self.locks, self.rollouts.admission, chores)

    def request(self, kind: str, version: str | None = None, **more: object) -> Rollout | None:
        more.setdefault("table", TABLE if kind != "rollback" else None)
        more.setdefault("environment", ENVIRONMENT)
        return self.rollouts.request(
            RolloutRequest(
                kind=kind,  # type: ignore[arg-type]
                project=PROJECT,
                version=version,
                requested_by="ada",
                **more,  # type: ignore[arg-type]
            )
        )

    def opened(self, kind: str, version: str | None = None, **more: object) -> Rollout:
        rollout = self.request(kind, version, **more)
        assert rollout is not None
        return rollout

    def ended(self, rollout: Rollout | None) -> Rollout:
        assert rollout is not None
        ended = until(lambda: self._outcome(rollout.id), within=20, what="the rollout's outcome")
        assert ended is not None
        return ended

    def _outcome(self, number: int) -> Rollout | None:
        found = self.world.journal.rollout(number)
        return found if found is not None and found.outcome is not None else None

    def deploy(self, version: str, **more: object) -> Rollout:
        self.house.release(version)
        return self.ended(self.request("deploy", version, **more))

    @property
    def serves(self) -> str | None:
        """The version that the journal says serves."""
        serving = self.house.record.serving
        return serving.release.version if serving is not None else None
