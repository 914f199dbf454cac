"""What ``lading.toml`` says, as frozen values: read by the manifest room, used by every other.

Durations are seconds, sizes bytes. A field that a table of the manifest leaves out has the default given here.
"""

from typing import Any, Literal

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the manifest's values: frozen, by keyword, defaults left out of the encoding.

    Leaving defaults out keeps a release's digest unchanged when a later version of Lading adds a key.
    """


class Project(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """The ``[project]`` table."""

    name: str
    description: str = ""


class Build(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Probe(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Resources(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Limits of one instance: cores, bytes, processes; None is no limit of its own."""

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None


class Volume(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """A persistent directory: mounted at ``path`` (containers) and named to the program by ``env``."""

    path: str | None = None
    env: str | None = None


class Service(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Database(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Expect(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Job(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Auth(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Names (never values) of the secrets for a request's Authorization header; ``basic`` holds ``user:password``."""

    bearer: str | None = None
    basic: str | None = None


class SmokeStep(_Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Secrets(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """The ``[secrets]`` table: names that every environment must hold before anything starts."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class Size(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[sizes.NAME]``: a resource profile chosen per job or per run."""

    resources: Resources = Resources()


class SecretSource(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Where an environment's secret comes from: what a command prints, a variable of the agent, or a file on its host.

    Exactly one is set. The agent uses it only as far as its own settings allow that.
    """

    command: str | None = None
    env: str | None = None
    file: str | None = None

    @property
    def kind(self) -> Literal["command", "variable", "file"]:
        """Which of the three it is, in a word for people."""
        if self.command is not None:
            return "command"
        return "variable" if self.env is not None else "file"

    @property
    def place(self) -> str:
        """The command, the variable's name or the file's path."""
        return self.command or self.env or self.file or ""


class Stack(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[stacks.NAME]``: a compose file that is run beside the project, with a life of its own.

    ``aliases`` maps names within the environment to services of the stack, ``env`` and ``secrets`` are the variables
    that the file is filled with, ``publish`` names the services whose ports may stay published.
    """

    compose: str
    aliases: dict[str, str] = {}
    env: dict[str, str] = {}
    secrets: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()


class Access(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Who may reach an environment: ``basic`` names a secret holding ``user:password``, ``allow`` lists networks."""

    basic: str | None = None
    allow: tuple[str, ...] = ()


class Tls(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Where an environment's certificate comes from: by ACME with a contact's mail address, or from a chain and a key,
    each the name of a secret or the absolute path of a file on the host. ``hsts`` is the time in seconds for which
    browsers are told to come by TLS only, 0 for not at all.
    """

    acme: str | None = None
    certificate: str | None = None
    key: str | None = None
    hsts: float = 86400.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets among its sources."""
        return tuple(name for name in (self.certificate, self.key) if name is not None and not name.startswith("/"))


class Limits(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """What the router lets through: ``rate`` requests a second of one client (``burst`` at once), request bodies of at
    most ``body`` bytes, ``concurrency`` requests at once to each service; None is no limit.
    """

    rate: float | None = None
    burst: int | None = None
    body: int | None = None
    concurrency: int | None = None


class Strategy(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """How traffic moves: ``watch`` seconds of observation after cutover, ``errors`` the tolerated share of 5xx answers,
    ``drain_limit`` seconds an old instance may finish streams, ``keep_previous`` seconds it stays up for an instant
    way back, ``canary`` the shares of the requests that a canary gets one after the other (none: the usual ones),
    ``canary_for`` the seconds for which each is held, ``latency`` how many times as long as the previous release's its
    answers may take, ``hold`` the seconds for which a migration, or the gap of ``recreate``, may let requests wait.
    """

    kind: Literal["blue-green", "canary", "recreate"] = "blue-green"
    watch: float | None = None
    errors: float = 0.02
    drain_limit: float = 30.0
    keep_previous: float = 600.0
    canary: tuple[float, ...] = ()
    canary_for: float | None = None
    latency: float = 2.0
    hold: float = 10.0


class Requires(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """What a release must have before the environment takes it; the manifest may only tighten the agent's policy."""

    passed: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    approvals: int = 0
    restore_tested_within: float | None = None
    max_age: float | None = None


class Placement(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """Where an environment has a database: at a ``url`` (a secret's name), or run by Lading within ``resources``."""

    url: str | None = None
    resources: Resources = Resources()


class ObjectStore(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """A place in an object store that speaks S3: ``store`` is ``s3://BUCKET/PREFIX``, ``endpoint`` where it answers
    (AWS where none is given). ``access_key`` and ``secret_key`` name the secrets that open it, never hold them.
    """

    store: str
    endpoint: str | None = None
    region: str = "us-east-1"
    access_key: str = "AWS_ACCESS_KEY_ID"
    secret_key: str = "AWS_SECRET_ACCESS_KEY"

    @property
    def bucket(self) -> str:
        """The bucket."""
        return self.store.removeprefix("s3://").partition("/")[0]

    @property
    def secrets(self) -> tuple[str, str]:
        """The names of its secrets."""
        return (self.access_key, self.secret_key)

    def key(self, *parts: str) -> str:
        """Return the key of an object below the prefix."""
        prefix = self.store.removeprefix("s3://").partition("/")[2].strip("/")
        return "/".join((prefix, *parts) if prefix else parts)

    def url(self, key: str) -> str:
        """Return an object's address, as tools for S3 take it."""
        return f"s3://{self.bucket}/{key}"


Tier = Literal["local", "stage", "production"]


class Environment(_Value, frozen=True, kw_only=True, omit_defaults=True):
    """One ``[environments.NAME]``: configuration only, never a build, command, check or migration."""

    host: str | None = None
    tier: Tier | None = None
    domain: str | None = None
    port: int | None = None
    env: dict[str, str] = {}
    secrets: dict[str, SecretSource] = {}
    access: Access | None = None
    limits: Limits = Limits()
    replicas: dict[str, int] = {}
    resources: dict[str, Resources] = {}
    egress: dict[str, tuple[str, ...]] = {}
    strategy: Strategy = Strategy()
    databases: dict[str, Placement] = {}
    backup: dict[str, Any] = {}
    outputs: ObjectStore | None = None
    schedules: bool | None = None
    tls: Tls | None = None
    requires: Requires = Requires()

    @property
    def edge_secrets(self) -> tuple[str, ...]:
        """The names of the secrets that are for the router alone."""
        basic = self.access.basic if self.access is not None else None
        return (*((basic,) if basic is not None else ()), *(self.tls.secrets if self.tls is not None else ()))

    @property
    def needed_secrets(self) -> tuple[str, ...]:
        """The names of the secrets that this table itself asks for: the router's, URLs of databases, a store's keys."""
        urls = (placed.url for placed in self.databases.values())
        return (*self.edge_secrets, *(url for url in urls if url is not None), *self.store_secrets)

    @property
    def store_secrets(self) -> tuple[str, ...]:
        """The names of the secrets that open the store of its outputs."""
        return self.outputs.secrets if self.outputs is not None else ()

    def tier_of(self, name: str) -> Tier:
        """Return the tier: what the table says, else ``local`` and ``production`` by name, else ``stage``."""
        if self.tier is not None:
            return self.tier
        if name in ("local", "dev"):
            return "local"
        return "production" if name in ("production", "prod") else "stage"


class Manifest(_Value, frozen=True, kw_only=True, omit_defaults=True):
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
