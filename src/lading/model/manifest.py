"""What ``lading.toml`` says, as frozen values: read by the manifest room, used by every other.

Durations are seconds, sizes bytes. A field that a table of the manifest leaves out has the default given here.
"""

from typing import Any, Literal

import msgspec

from lading.model.environment_table import Environment
from lading.model.value import Resources, Value


class Project(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The ``[project]`` table."""

    name: str
    description: str = ""


class Build(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[build.NAME]``: exactly one of ``dockerfile`` (image) and ``bundle`` (lock or requirements file) is set."""

    dockerfile: str | None = None
    bundle: str | None = None
    context: str = "."
    target: str | None = None
    args: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    network: str | None = None
    registry: str | None = None

    @property
    def kind(self) -> Literal["image", "bundle"]:
        """Which kind of artifact the build gives."""
        return "image" if self.dockerfile is not None else "bundle"


class Probe(Value, frozen=True, kw_only=True, omit_defaults=True):
    """How one instance is asked whether it is up or ready: ``GET path``, expecting ``status`` and ``json``.

    ``host`` is the Host header to send (programs that check it refuse others); ``json`` must be contained in
    the JSON body. ``timeout`` bounds one try, ``within`` all tries, ``interval`` is the pause between tries; seconds.
    """

    path: str
    status: tuple[int, ...] = (200,)
    json: Any = None
    host: str | None = None
    timeout: float = 2.0
    within: float = 30.0
    interval: float = 0.02


class Volume(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A persistent directory: mounted at ``path`` (containers) and named to the program by ``env``."""

    path: str | None = None
    env: str | None = None


class Service(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[services.NAME]``: a web service where ``port`` is set, else a worker.

    ``files`` maps a path of the release's own source to how the program finds it. ``image`` makes it a backing service:
    somebody else's image instead of a build, kept from release to release; ``check`` is a command that must succeed.
    """

    build: str
    image: str | None = None
    check: str | None = None
    command: str | None = None
    entrypoint: str | None = None
    port: int | None = None
    health: Probe | None = None
    ready: Probe | None = None
    path: str = "/"
    strip_prefix: bool = False
    static: str | None = None
    env: dict[str, str] = {}
    volumes: dict[str, Volume] = {}
    files: dict[str, Volume] = {}
    egress: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    user: str | None = None
    home: str | None = None
    stop_signal: str = "SIGTERM"
    grace: float = 10.0
    resources: Resources = Resources()
    affinity: bool = False
    relax: tuple[str, ...] = ()

    @property
    def is_worker(self) -> bool:
        """Whether the service takes no requests."""
        return self.port is None and self.static is None and self.image is None


class Database(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[databases.NAME]``; ``alias`` is a further name of its server within the environment."""

    engine: Literal["postgres", "sqlite"]
    env: str | None = None
    env_parts: dict[str, str] = {}
    url_scheme: str | None = None
    migrate: str | None = None
    version: str | None = None
    build: str | None = None
    alias: str | None = None

    @property
    def has_server(self) -> bool:
        """Whether programs reach it over the network; else it is a file."""
        return self.engine != "sqlite"

    def variables(self, url: str) -> dict[str, str]:
        """Return what tells programs of the SQLite database at a URL: variable → the URL, or the path in it."""
        told = {} if self.env is None else {self.env: url}
        return told | dict.fromkeys(self.env_parts, url.partition(":///")[2])


class Expect(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What a smoke step must see. HTTP: ``status``, ``json`` (contained), ``text`` (substring), ``headers``.

    Command and job: ``exit``, ``text`` (in its output) and ``files`` (path below the outputs → JSON that must be
    contained, a substring, or True for "there and not empty").
    """

    status: tuple[int, ...] | None = None
    json: Any = None
    text: str | None = None
    headers: dict[str, str] = {}
    exit: int | None = None
    files: dict[str, Any] = {}


class Job(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[jobs.NAME]``: a command run to its end from the released artifact.

    ``outputs`` names files that every run has to leave, ``expect`` says what a run must show to have succeeded.
    """

    command: str
    build: str | None = None
    schedule: str | None = None
    timezone: str = "UTC"
    timeout: float = 3600.0
    size: str | None = None
    env: dict[str, str] = {}
    outputs: dict[str, str] = {}
    volumes: dict[str, Volume] = {}
    egress: tuple[str, ...] | None = None
    catch_up: bool = False
    expect: Expect = Expect()


class Auth(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Names (never values) of the secrets for a request's Authorization header; ``basic`` holds ``user:password``."""

    bearer: str | None = None
    basic: str | None = None


class SmokeStep(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[[smoke]]``: an HTTP request, a command or a job, with what it must give.

    ``{{NAME}}`` in ``path``, ``headers``, ``json`` and ``form`` stands for a secret of that name or a value captured
    by an earlier step; commands and jobs find them in their environment. ``capture`` maps a new name to a dotted path
    into the JSON answer.
    """

    name: str
    service: str | None = None
    method: str | None = None
    path: str | None = None
    headers: dict[str, str] = {}
    json: Any = None
    form: dict[str, str] | None = None
    auth: Auth | None = None
    redirects: bool = False
    capture: dict[str, str] = {}
    command: str | None = None
    job: str | None = None
    args: tuple[str, ...] = ()
    timeout: float = 10.0
    expect: Expect = Expect()

    @property
    def kind(self) -> Literal["http", "command", "job"]:
        """Which of the three forms the step has."""
        if self.job is not None:
            return "job"
        return "command" if self.command is not None else "http"


class Secrets(Value, frozen=True, kw_only=True, omit_defaults=True):
    """The ``[secrets]`` table: names that every environment must hold before anything starts."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class Size(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[sizes.NAME]``: a resource profile chosen per job or per run."""

    resources: Resources = Resources()


class Stack(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[stacks.NAME]``: a compose file that is run beside the project, with a life of its own.

    ``aliases`` maps names within the environment to services of the stack, ``env`` and ``secrets`` are the variables
    that the file is filled with, ``publish`` names the services whose ports may stay published.
    """

    compose: str
    aliases: dict[str, str] = {}
    env: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()


class Manifest(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A whole ``lading.toml``."""

    project: Project
    build: dict[str, Build] = {}
    services: dict[str, Service] = {}
    databases: dict[str, Database] = {}
    jobs: dict[str, Job] = {}
    smoke: tuple[SmokeStep, ...] = ()
    env: dict[str, str] = {}
    secrets: Secrets = Secrets()
    sizes: dict[str, Size] = {}
    stacks: dict[str, Stack] = {}
    environments: dict[str, Environment] = {}
    policy: dict[str, Any] = {}

    def frozen(self) -> "Manifest":
        """Return the part a release freezes: everything but the environments, and the stacks beside it."""
        return msgspec.structs.replace(self, environments={}, stacks={})
