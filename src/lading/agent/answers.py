"""What the agent answers, as values: the shapes that the interface documents."""

from typing import Any

import msgspec

from lading.doctor.finding import Finding
from lading.model.bill import Envelope, Policy, Statement, TrustedKey
from lading.model.certificates import CertificateState
from lading.model.environment import Configuration, Maintenance
from lading.model.jobs import Ending, OutputFile, Trigger
from lading.model.manifest import Manifest
from lading.model.plan import Plan
from lading.model.release import Release
from lading.model.rollout import Event, Outcome
from lading.ports.journal import Audit
from lading.ports.stacks import StackState


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Who the agent is: its version, its interface's, its process, its home, its key, and how far it isolates.

    ``started`` is in seconds since the epoch.
    """

    name: str
    version: str
    api: str
    pid: int
    started: float
    home: str
    fingerprint: str
    runtime: str
    isolation: str


class MissingBlobs(msgspec.Struct, frozen=True, kw_only=True):
    """Blobs that are not here, by digest with how many of their first bytes are; and the bytes that are free."""

    missing: dict[str, int]
    free: int


class Crossed(msgspec.Struct, frozen=True, kw_only=True):
    """How many blobs crossed between an agent and a registry, and their bytes."""

    blobs: int
    size: int


class CrossingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a stream: a blob that has crossed and its bytes, and last what crossed in all."""

    blob: str = ""
    size: int = 0
    crossed: Crossed | None = None


class BlobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a blob's bytes are here now, and whether that is all of it."""

    here: int
    whole: bool


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances were stopped."""

    stopped: int


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


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a job as scripts read it. ``ending`` is null while it goes on.

    ``exit_status`` is the program's own (negative: by that signal; null: not known). ``slot`` is the moment a schedule
    meant it for, ``slots`` how many such moments an entry of missed ones stands for; moments are seconds since the
    epoch. ``stopping`` says who asked it to end. ``kept`` tells whether output and files are still there.
    """

    id: int
    project: str
    environment: str
    job: str
    release: str
    trigger: Trigger
    requested_by: str
    created: float
    args: tuple[str, ...]
    size: str | None
    slot: float | None
    slots: int
    stopping: str
    ending: Ending | None
    exit_status: int | None
    reason: str
    finished: float | None
    seconds: float
    outputs: tuple[OutputFile, ...]
    kept: bool


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """A job of what serves: by which schedule it runs, when next, and how its last run ended.

    ``schedule`` is empty for a job that runs by hand only; ``on`` tells whether the environment runs schedules, and
    ``next`` (seconds since the epoch) is null where it does not. ``running`` counts the runs that go on.
    """

    name: str
    schedule: str
    timezone: str
    on: bool
    next: float | None
    running: int
    last: RunView | None


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
    """Where a local environment's databases (URLs) and volumes (directories) are, by name."""

    databases: dict[str, str] = {}
    volumes: dict[str, str] = {}


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A release in a list: its names, its kind (``bundle``, ``image``), its commit and when it was built."""

    project: str
    version: str
    digest: str
    kind: str
    commit: str
    created: float


class Releases(msgspec.Struct, frozen=True, kw_only=True):
    """Releases, newest first."""

    releases: tuple[ReleaseView, ...]


class BuildLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a build's stream: an event, and last the release."""

    event: dict[str, Any] | None = None
    release: Release | None = None


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one step: ``done``, ``failed``, ``undone``, ``running`` or ``pending``, and its seconds."""

    name: str
    subject: str
    outcome: str
    seconds: float


class RolloutView(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout as scripts read it. ``id`` is null for one that was never opened, ``outcome`` while it runs.

    ``held_seconds`` is there where a database was to be migrated: for how long requests had to wait for that.
    """

    id: int | None
    environment: str
    release: str | None
    previous: str | None
    outcome: Outcome | None
    seconds: float
    lost_requests: int
    requests: int
    steps: tuple[StepView, ...]
    held_seconds: float | msgspec.UnsetType = msgspec.UNSET


class RolloutEntry(RolloutView, frozen=True, kw_only=True):
    """A rollout in a history: besides the above its kind, who asked for it and when (seconds since the epoch)."""

    project: str
    kind: str
    requested_by: str
    created: float


class RolloutEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Rollouts, newest first."""

    rollouts: tuple[RolloutEntry, ...]


class RolloutOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a request: ``number`` to follow (null: nothing to do), and the kind of the rollout it names.

    A rollback that is asked for while a rollout runs answers with that rollout, which turns back.
    """

    number: int | None
    kind: str
    rollout: RolloutView


class RolloutAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rollout's result and, where something turned it around, the error."""

    rollout: RolloutView
    error: dict[str, Any] | None = None


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a job."""

    run: RunView


class RunViews(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of jobs, newest first."""

    runs: tuple[RunView, ...]


class JobOutput(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that a run wrote, secrets masked, and the cursor to go on from; ``run`` is there once that was all."""

    lines: tuple[str, ...]
    cursor: str
    run: RunView | None = None


class EventLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a rollout's stream."""

    event: Event


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, its steps as lines for people, and the refusal that it would meet now (null: none)."""

    plan: Plan
    lines: tuple[str, ...]
    refused: dict[str, Any] | None = None


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """One envelope of a bill: what it says (null when unreadable), whether its signer is believed, else why not.

    ``signer`` is the name under which the key is believed, empty for an unknown one: what a statement itself says of
    its signer is a claim.
    """

    envelope: Envelope
    statement: Statement | None
    trusted: bool
    signer: str = ""
    problem: str = ""


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """The bill of a digest, oldest first; ``introductions`` are signed words of old keys about new ones."""

    statements: tuple[StatementView, ...]
    introductions: tuple[Envelope, ...] = ()


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that this agent signed."""

    envelope: Envelope


class Nonce(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge for one promotion and when it ends (seconds since the epoch)."""

    nonce: str
    expires: float


class ApprovalDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver signs: the statement (base64), and the message that the signature is over (base64)."""

    payload: str
    message: str


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Whose approval was taken."""

    signer: str
    fingerprint: str


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's own key, and the keys it believes besides."""

    own: TrustedKey
    keys: tuple[TrustedKey, ...]


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's own key."""

    own: TrustedKey


class AddedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is believed from now on."""

    key: TrustedKey


class RemovedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that are no longer believed."""

    removed: tuple[TrustedKey, ...]


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an environment demands; ``set`` tells whether an admin set it, else it is the default of its tier."""

    environment: str
    policy: dict[str, Any]
    set: bool

    @classmethod
    def of(cls, environment: str, policy: Policy, *, was_set: bool) -> "PolicyAnswer":
        """Return the answer with every demand spelled out, defaults too."""
        demands = {name: getattr(policy, name) for name in policy.__struct_fields__}
        return cls(environment=environment, policy=demands, set=was_set)


class SecretEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One secret, never its value. ``version`` is 0 where it is missing.

    ``set`` (seconds since the epoch, 0 where it is not known) and ``set_by`` tell of the current version. ``need`` is
    what the release that serves says of it: ``required``, ``optional`` or ``unknown``; ``serving`` the version that
    serves, null where none does. ``problem`` says why the value is a placeholder, empty when it is none. ``source`` is
    where what serves gets it from: ``command``, ``variable``, ``file``, or empty for the agent's own store.
    """

    name: str
    version: int
    set: float = 0.0
    set_by: str = ""
    need: str = "unknown"
    serving: int | None = None
    problem: str = ""
    source: str = ""


class SecretVersions(msgspec.Struct, frozen=True, kw_only=True):
    """The names and current versions of secrets that were stored."""

    secrets: dict[str, int]


class SecretList(SecretVersions, frozen=True, kw_only=True):
    """The names and current versions of an environment's secrets; ``entries`` say more, also of missing ones."""

    entries: tuple[SecretEntry, ...]


class EnvironmentDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One environment: what it serves (null: never deployed), with which configuration and by which frozen manifest
    (null while it serves nothing; without its smoke suite), what it demands, and its secrets without values.
    """

    environment: EnvironmentView | None
    configuration: Configuration | None
    manifest: Manifest | None
    policy: dict[str, Any]
    secrets: tuple[SecretEntry, ...]


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent found when it looked at itself and its host; ``now`` is its clock, seconds since the epoch."""

    about: About
    now: float
    findings: tuple[Finding, ...]


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


class Audits(msgspec.Struct, frozen=True, kw_only=True):
    """Acts of people that changed what the agent believes or allows, newest first."""

    audit: tuple[Audit, ...]


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every failure: the error with its code, and for a refused rollout its result too."""

    error: dict[str, Any]
    rollout: RolloutView | None = None
