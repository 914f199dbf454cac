"""What an ``[environments.NAME]`` of ``lading.toml`` says, as frozen values: where and how, never what is built or run.

Durations are seconds, sizes bytes. A field that a table leaves out has the default given here.
"""

from typing import Any, Literal

from lading.model.value import Resources, Value


class SecretSource(Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Access(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Who may reach an environment: ``basic`` names a secret holding ``user:password``, ``allow`` lists networks."""

    basic: str | None = None
    allow: tuple[str, ...] = ()


class Tls(Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Limits(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What the router lets through: ``rate`` requests a second of one client (``burst`` at once), request bodies of at
    most ``body`` bytes, ``concurrency`` requests at once to each service; None is no limit.
    """

    rate: float | None = None
    burst: int | None = None
    body: int | None = None
    concurrency: int | None = None


class Strategy(Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Requires(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What a release must have before the environment takes it; the manifest may only tighten the agent's policy."""

    passed: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    approvals: int = 0
    restore_tested_within: float | None = None
    max_age: float | None = None


class Placement(Value, frozen=True, kw_only=True, omit_defaults=True):
    """Where an environment has a database: at a ``url`` (a secret's name), or run by Lading within ``resources``."""

    url: str | None = None
    resources: Resources = Resources()


class ObjectStore(Value, frozen=True, kw_only=True, omit_defaults=True):
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


class Environment(Value, frozen=True, kw_only=True, omit_defaults=True):
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
