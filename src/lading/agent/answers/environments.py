"""What the agent answers of environments: what they serve, their instances and logs, their stacks, their end."""

from typing import Any

import msgspec

from lading.agent.answers.jobs import JobView
from lading.agent.answers.policies import SecretEntry
from lading.model.certificates import CertificateState
from lading.model.environment import Configuration, Maintenance
from lading.model.manifest import Manifest
from lading.ports.stacks import StackState


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of what serves: ``web/1``, where it answers, since when (seconds since the epoch), its limits.

    ``ended`` says why it exited, or did before it was started again, where more is known than the status; ``unseen``
    why it could not be looked at: it may run all the same.
    """

    name: str
    service: str
    running: bool
    address: str = ""
    pid: int = 0
    started: float = 0.0
    restarts: int = 0
    exit_status: int | None = None
    limits: str = ""
    ended: str = ""
    unseen: str = ""


class RunningRollout(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout under way: what it brings, for whom, since when, and the step it is at."""

    id: int
    kind: str
    release: str
    step: str
    requested_by: str
    created: float


class CanaryView(msgspec.Struct, frozen=True, kw_only=True):
    """The release that is being tried, and its share of the requests, between 0 and 1."""

    release: str
    share: float


class EnvironmentView(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment serves. ``release`` and ``digest`` are null while it serves nothing.

    ``standby`` is the release that is still up for an instant way back, ``alert`` is not empty while somebody has to
    look, ``since`` is in seconds since the epoch. ``stopped`` is when it was taken down (0: it is not), and
    ``stopped_release`` what served until then. ``maintenance`` is set while visitors get a page instead,
    ``certificate`` where it answers by TLS.
    ``canary`` is there while a release is given a share of the requests.
    """

    name: str
    project: str
    tier: str
    release: str | None
    digest: str | None
    url: str
    instances: tuple[InstanceView, ...]
    configuration: str = ""
    since: float = 0.0
    standby: str | None = None
    alert: str = ""
    rollout: RunningRollout | None = None
    stopped: float = 0.0
    stopped_release: str | None = None
    maintenance: Maintenance | None = None
    certificate: CertificateState | None = None
    jobs: tuple[JobView, ...] = ()
    canary: CanaryView | None = None


class Environments(msgspec.Struct, frozen=True, kw_only=True):
    """The environments of this agent."""

    environments: tuple[EnvironmentView, ...]


class StoppedInstance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that was stopped, ``web/1``, and the version it ran."""

    name: str
    version: str


class TakenDown(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken down: the release that served (null: none did), and the instances that were stopped.

    ``data`` is the directory of the environment's data, which stays (empty: it has none).
    """

    project: str
    environment: str
    release: str | None
    stopped: tuple[StoppedInstance, ...]
    data: str


class BackingGiven(msgspec.Struct, frozen=True, kw_only=True):
    """Where a local environment's databases (URLs) and volumes (directories) are, by name.

    ``hosts`` has the address for each name by which containers find a server. ``handed`` is a file of the agent's user
    with what programs are told of servers, a :class:`HandedOver`; empty where there is nothing of that kind.
    """

    databases: dict[str, str] = {}
    volumes: dict[str, str] = {}
    hosts: dict[str, str] = {}
    handed: str = ""


class HandedOver(msgspec.Struct, frozen=True, kw_only=True):
    """What no answer may hold, so that it is written down instead: variables, and which values nobody may see."""

    variables: dict[str, str] = {}
    secrets: tuple[str, ...] = ()


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """The rollout that brings up what backs an environment (null: all of it is up)."""

    number: int | None = None


class BringLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line about what backs an environment: an event, and last the rollout that brings it up."""

    event: dict[str, Any] | None = None
    brought: Brought | None = None


class EnvironmentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One environment: what it serves (null: never deployed), with which configuration and by which frozen manifest
    (null while it serves nothing; without its smoke suite), what it demands, and its secrets without values.
    """

    environment: EnvironmentView | None
    configuration: Configuration | None
    manifest: Manifest | None
    policy: dict[str, Any]
    secrets: tuple[SecretEntry, ...]


class InstanceLog(msgspec.Struct, frozen=True, kw_only=True):
    """The last lines of one instance, oldest first, secrets masked."""

    instance: str
    name: str
    rollout: int
    lines: tuple[str, ...]


class StackStates(msgspec.Struct, frozen=True, kw_only=True):
    """The stacks of an environment, by name."""

    stacks: tuple[StackState, ...]


class StackLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a stack's coming up: an event, and last the stack."""

    event: dict[str, Any] | None = None
    stack: StackState | None = None


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts to reach what is in no egress, as lines, oldest first, secrets masked."""

    denied: tuple[str, ...]


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """Logs by instance."""

    logs: tuple[InstanceLog, ...]
