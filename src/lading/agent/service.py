"""What the API asks of the agent's core: its operations as one value."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lading.agent.answers import About
from lading.agent.asking import RolloutRequest
from lading.agent.backing import Backing
from lading.agent.bills import Bills
from lading.agent.bringing import Bringing
from lading.agent.changes import Changes
from lading.agent.down import Downs
from lading.agent.jobs import Jobs
from lading.agent.keys import Keys
from lading.agent.logs import InstanceLogs
from lading.agent.maintenance import Maintenances
from lading.agent.outputs import Outputs
from lading.agent.policies import Policies
from lading.agent.registries import Registries
from lading.agent.releases import ReleaseShelf
from lading.agent.results import Results
from lading.agent.secret_values import SecretValues
from lading.agent.stacks import SideStacks
from lading.agent.status import Status
from lading.doctor.finding import Finding
from lading.model.errors import LadingError
from lading.model.plan import Plan
from lading.model.rollout import Rollout
from lading.ports.journal import Journal
from lading.ports.store import Store


class RolloutOperations(Protocol):
    """Starts, explains and stops rollouts. Errors are ``LadingError``: ``busy``, ``policy``, ``unknown-release``, …"""

    def request(self, request: RolloutRequest) -> Rollout | None:
        """Open the rollout, carry it out in a thread of its own and return it as opened.

        Return None when the environment already serves exactly this release and configuration: nothing to do.
        Raise, with nothing opened, when it is refused.
        """
        ...

    def weigh(self, request: RolloutRequest) -> tuple[Plan, LadingError | None]:
        """Return what the request would do now, without doing it, and the refusal that it would meet, if any.

        A plan without steps has nothing to do.
        """
        ...

    def cancel(self, number: int, who: str) -> None:
        """Ask a running rollout to turn back; quiet when it has ended. Raise ``unknown-rollout``, ``busy``."""
        ...


@dataclasses.dataclass(frozen=True)
class AgentService:
    """Everything the API can do, put together by the composition root.

    ``spool`` is a directory for sources. ``halt`` stops everything the agent serves, the router too, and returns how
    many instances it stopped; the next start of an agent brings all of it back. ``doctor`` looks at agent and host.
    """

    about: Callable[[], About]
    rollouts: RolloutOperations
    changes: Changes
    journal: Journal
    store: Store
    releases: ReleaseShelf
    registries: Registries
    bills: Bills
    keys: Keys
    policies: Policies
    secrets: SecretValues
    stacks: SideStacks
    status: Status
    downs: Downs
    maintenances: Maintenances
    backing: Backing
    bringing: Bringing
    logs: InstanceLogs
    jobs: Jobs
    outputs: Outputs
    results: Results
    spool: Path
    halt: Callable[[], int]
    doctor: Callable[[], tuple[Finding, ...]] = tuple
