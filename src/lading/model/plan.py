"""The plan of a rollout: steps are data that print themselves, are stored, and are carried out as they stand.

Each kind of step is a value with what it needs to act and to be undone. ``critical`` tells whether its failure turns
the rollout around; after the point of no return (the end of the watch) a failure is reported, not undone.
"""

from typing import ClassVar

import msgspec

from lading.model.data_steps import Dump, Migrate, Rehearse, StartBacking, StartDatabase
from lading.model.environment import Configuration, InstanceSpec, Pinned
from lading.model.manifest import SmokeStep
from lading.model.release import Release
from lading.model.step import StepBase, labels


class Preflight(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="preflight"):
    """Check what must hold before anything is touched: disk, secrets, platform, port."""

    release: Release
    configuration: Configuration

    @property
    def detail(self) -> str:
        names = len(self.configuration.secret_versions)
        return f"disk, platform, {names} secret{'' if names == 1 else 's'}"


class Fetch(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="fetch"):
    """Verify the release's blobs and lay its layers out on the host."""

    release: Release

    @property
    def detail(self) -> str:
        layers = sum(len(artifact.layers) for artifact in self.release.artifacts)
        return f"{self.release.version}, {layers} layers"


class Stop(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="stop"):
    """Let requests wait, ``limit`` seconds each, and stop every previous instance with its grace.

    ``unit`` is what serves, which the undo starts again; ``instances`` are its own, and those of a release that stands
    by. From here until the cutover nothing answers: the bill tells for how long.
    """

    undo_text: ClassVar[str] = "previous release again"
    instances: tuple[InstanceSpec, ...]
    unit: Pinned
    limit: float

    @property
    def subject(self) -> str:
        return labels(self.instances)

    @property
    def detail(self) -> str:
        waiting = f", requests wait {self.limit:g} s at most" if self.unit.web else ""
        return f"{self.unit.release.version}{waiting}"


class Start(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="start"):
    """Start instances beside what serves."""

    undo_text: ClassVar[str] = "remove the candidate"
    instances: tuple[InstanceSpec, ...]

    @property
    def subject(self) -> str:
        return labels(self.instances)

    @property
    def detail(self) -> str:
        return self.instances[0].version if self.instances else ""


class Health(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="health"):
    """Wait until every instance's health check passes."""

    instances: tuple[InstanceSpec, ...]

    @property
    def subject(self) -> str:
        return labels(self.instances)

    @property
    def detail(self) -> str:
        return _paths(self.instances, "health")


class Ready(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="ready"):
    """Wait until every instance's ready check passes."""

    instances: tuple[InstanceSpec, ...]

    @property
    def subject(self) -> str:
        return labels(self.instances)

    @property
    def detail(self) -> str:
        return _paths(self.instances, "ready")


def _paths(specs: tuple[InstanceSpec, ...], which: str) -> str:
    probes = [getattr(spec, which) for spec in specs]
    return " ".join(dict.fromkeys(f"GET {probe.path}" for probe in probes if probe is not None))


class Smoke(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="smoke"):
    """Run the smoke suite: on the ``candidate``, or through the ``router`` after cutover."""

    where: str
    suite: tuple[SmokeStep, ...]
    unit: Pinned

    @property
    def detail(self) -> str:
        place = "on the candidate" if self.where == "candidate" else "through the router"
        return f"{len(self.suite)} check{'' if len(self.suite) == 1 else 's'} {place}"


class Probing(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="prober"):
    """Start asking through the router, so that lost requests are counted from before cutover until the drain ends."""

    undo_text: ClassVar[str] = "stop the prober"
    path: str
    host: str | None
    per_second: float

    @property
    def detail(self) -> str:
        return f"GET {self.path} {self.per_second:.0f} times a second, until the drain ends"


class Cutover(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="cutover"):
    """Move all routes of the environment to ``to`` in one act; the undo moves them back to ``back``.

    ``history`` and ``history_after`` are the environment's ways back before and after, as rollout numbers. ``alone``
    says that a :class:`Stop` went before it: ``back`` does not run, and its undo lets requests wait until it does.
    """

    undo_text: ClassVar[str] = "route back"
    to: Pinned
    back: Pinned | None
    history: tuple[int, ...] = ()
    history_after: tuple[int, ...] = ()
    alone: bool = False

    @property
    def subject(self) -> str:
        return " ".join(dict.fromkeys(spec.service for spec in self.to.web))

    @property
    def detail(self) -> str:
        before = self.back.release.version if self.back else "nothing"
        return f"{before} → {self.to.release.version}   {'for whoever waits' if self.alone else 'at once'}"


class Canary(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="canary"):
    """Give ``unit`` a ``share`` of the requests for ``seconds``, beside ``previous``; the undo takes it away again.

    What turns back: an instance that dies; more than ``errors`` (a share) of 5xx answers beyond those of ``previous``;
    answers that take more than ``latency`` times as long as those of ``previous``, both counted in the same seconds.
    """

    undo_text: ClassVar[str] = "previous release for everybody"
    share: float
    seconds: float
    errors: float
    latency: float
    drain_limit: float
    unit: Pinned
    previous: Pinned

    @property
    def subject(self) -> str:
        return f"{self.share * 100:.3g} %"

    @property
    def detail(self) -> str:
        return f"{self.unit.release.version} for {self.seconds:g} s, at most {self.errors:.1%} errors more"


class Workers(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="workers"):
    """Stop the previous workers with their grace, then start the new; the undo does the reverse."""

    undo_text: ClassVar[str] = "previous workers again"
    stop: tuple[InstanceSpec, ...]
    start: tuple[InstanceSpec, ...]

    @property
    def subject(self) -> str:
        return labels(self.start or self.stop)

    @property
    def detail(self) -> str:
        return f"stop {len(self.stop)}, start {len(self.start)}"


class Watch(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="watch"):
    """Observe the router's counters for ``seconds``; more than ``errors`` (a share) of 5xx answers turns back."""

    seconds: float
    errors: float
    unit: Pinned
    previous: Pinned | None

    @property
    def detail(self) -> str:
        return f"{self.seconds:g} s, at most {self.errors:.1%} errors"


class Drain(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="drain"):
    """Let the previous instances finish what they are answering, ``limit`` seconds at most."""

    critical: ClassVar[bool] = False
    instances: tuple[InstanceSpec, ...]
    limit: float
    keep: float

    @property
    def subject(self) -> str:
        return labels(self.instances)

    @property
    def detail(self) -> str:
        return f"previous, at most {self.limit:g} s, then kept {self.keep:g} s for the way back"


class Attest(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="attest"):
    """Sign what passed in this rollout into the release's bill."""

    critical: ClassVar[bool] = False
    unit: Pinned

    @property
    def detail(self) -> str:
        return f"sign {self.unit.release.version} for {self.unit.configuration.environment}"


class Prune(StepBase, frozen=True, kw_only=True, omit_defaults=True, tag="prune"):
    """Remove stored layers and stopped instances that nobody may return to."""

    critical: ClassVar[bool] = False


Step = (
    Preflight
    | Fetch
    | StartDatabase
    | StartBacking
    | Dump
    | Rehearse
    | Migrate
    | Stop
    | Start
    | Health
    | Ready
    | Smoke
    | Probing
    | Canary
    | Cutover
    | Workers
    | Watch
    | Drain
    | Attest
    | Prune
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollout will do, in order: the very value that is shown, journaled and carried out."""

    project: str
    environment: str
    kind: str
    release: str
    digest: str
    previous: str | None
    steps: tuple[Step, ...]
    reasons: tuple[str, ...] = ()

    @property
    def unit(self) -> Pinned | None:
        """The unit the plan leads to; None in a plan without a cutover."""
        for step in self.steps:
            if isinstance(step, Cutover):
                return step.to
        return None

    @property
    def no_return(self) -> int:
        """The number of the first step that is not undone: once it began, the rollout cannot be turned back."""
        return next((index for index, step in enumerate(self.steps) if not step.critical), len(self.steps))

    def lines(self) -> list[str]:
        """Return one line a step, as ``lading plan`` prints them."""
        return [str(step) for step in self.steps]
