"""An environment's configuration and what an environment serves, as one unit that a rollback can return to."""

import msgspec

from lading.model.canonical import digest_of
from lading.model.environment_table import Environment, Limits, Tier
from lading.model.manifest import Probe, Volume
from lading.model.release import Release
from lading.model.secret import Secret
from lading.model.value import Resources


class Configuration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A named environment as one rollout saw it: its table of the manifest and the versions of its secrets."""

    environment: str
    tier: Tier
    table: Environment
    secret_versions: dict[str, int] = {}

    @property
    def revision(self) -> str:
        """Return the configuration's own revision: the first 12 hex digits of its digest."""
        return digest_of(self).removeprefix("sha256:")[:12]


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A variable whose value is made of a secret when a program is started, so that no plan or journal holds it.

    ``template`` says how (see :func:`lading.model.server.fill`), ``secret`` and ``version`` of which secret. ``server``
    names the instance whose address of now stands for ``{host}``; empty where the template needs none.
    """

    template: str
    secret: str
    version: int
    server: str = ""


class InstanceSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything a runtime needs to start one instance; the name derives from rollout and slot.

    ``layers`` maps a layer's role to its diff id; ``env`` holds public values, ``secrets`` the environment
    variable → (secret name, version) of those that the engine resolves at the start. ``volumes`` maps a volume's
    name to how the program finds it, ``files`` the same for paths in the layer of that role, ``databases`` a variable
    to a database's URL or path. ``port`` is the manifest's port: containers listen on it, processes get one of the
    host's. ``static`` is the directory of the layer ``static`` that is served instead of running a program.
    ``entrypoint`` to ``peers`` are for containers: ``egress`` are the only endpoints outside that it may reach (None:
    no limit), ``peers`` the names it knows within. ``told`` holds further variables that are made of secrets. ``image``
    is the reference of an image that nobody here built: such an instance backs an environment from release to release,
    is found by its plain names, and has the further places in memory that ``scratch`` lists.
    ``marker`` identifies the environment for limits and cleaning: ``project/environment``.
    """

    name: str
    project: str
    environment: str
    service: str
    slot: int
    rollout: int
    digest: str
    version: str
    artifact: str
    kind: str
    layers: dict[str, str]
    command: str | None = None
    port: int | None = None
    env: dict[str, str] = {}
    secrets: dict[str, tuple[str, int]] = {}
    volumes: dict[str, Volume] = {}
    files: dict[str, Volume] = {}
    static: str | None = None
    databases: dict[str, str] = {}
    resources: Resources = Resources()
    stop_signal: str = "SIGTERM"
    grace: float = 10.0
    health: Probe | None = None
    ready: Probe | None = None
    entrypoint: str | None = None
    aliases: tuple[str, ...] = ()
    user: str | None = None
    home: str | None = None
    relax: tuple[str, ...] = ()
    egress: tuple[str, ...] | None = None
    peers: tuple[str, ...] = ()
    told: dict[str, Told] = {}
    image: str | None = None
    scratch: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Return what people call the instance: ``web/1``; what backs an environment has no slots."""
        return f"{self.service}/{self.slot}" if self.image is None else self.service


class InstanceState(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime sees of an instance.

    ``address`` is ``host:port`` (empty for a worker), ``host`` where a container is found, whether or not it takes
    requests (empty for a process, which has no address of its own), ``started`` seconds since the epoch,
    ``exit_status`` is set once it has exited (negative: killed by that signal), ``limits`` says which limits are in
    force, in words, ``ended`` why it exited (or did before it was started again) where more is known than the status.
    """

    name: str
    running: bool
    address: str = ""
    host: str = ""
    pid: int = 0
    started: float = 0.0
    exit_status: int | None = None
    restarts: int = 0
    limits: str = ""
    ended: str = ""


class Pinned(msgspec.Struct, frozen=True, kw_only=True):
    """One release as one rollout ran it: digest, configuration, secret versions, health contract, instances.

    It is the unit a rollback returns to. ``instances`` hold the environment variables, secret versions and probes;
    ``jobs`` the same for what is run to its end (a spec's ``service`` is the job's name). ``port`` is the local port
    the environment had then (None: the one its record names).
    """

    rollout: int
    release: Release
    configuration: Configuration
    instances: tuple[InstanceSpec, ...]
    jobs: tuple[InstanceSpec, ...] = ()
    port: int | None = None
    since: float = 0.0

    @property
    def web(self) -> tuple[InstanceSpec, ...]:
        """The instances that take requests."""
        return tuple(spec for spec in self.instances if spec.port is not None)

    @property
    def workers(self) -> tuple[InstanceSpec, ...]:
        """The instances that take none."""
        return tuple(spec for spec in self.instances if spec.port is None)


class EnvironmentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal holds of an environment.

    ``port`` is the local port it was given (None where it is routed by ``domain`` only). ``standby`` is the previous
    unit, still up until ``standby_until`` (seconds since the epoch, 0 while a rollout decides) for an instant way
    back. ``history`` names the earlier units a rollback may return to by the rollout that pinned them, newest first;
    nothing of theirs may be pruned. ``alert`` is set while somebody has to look. ``stopped`` is when it was last taken
    down (seconds since the epoch, 0: never); what serves after that was brought up again. ``backing`` is what runs
    from release to release, such as a database's server, by its name in the manifest.
    """

    project: str
    name: str
    tier: Tier
    port: int | None = None
    domain: str | None = None
    serving: Pinned | None = None
    standby: Pinned | None = None
    standby_until: float = 0.0
    history: tuple[int, ...] = ()
    alert: str = ""
    stopped: float = 0.0
    backing: dict[str, InstanceSpec] = {}

    @property
    def is_down(self) -> bool:
        """Whether somebody took it down, and nobody has brought it up again."""
        return self.serving is None and self.stopped > 0

    @property
    def key(self) -> str:
        """Return ``project/environment``."""
        return f"{self.project}/{self.name}"


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent sees before it plans: the record, which instances run, where the databases are.

    ``databases`` maps a database's name to its URL, ``revisions`` to the revision its migrations left it at (no entry
    where nothing is known of it). ``passwords`` has the version of the password of each database that has a server.
    """

    record: EnvironmentRecord
    running: frozenset[str] = frozenset()
    databases: dict[str, str] = {}
    revisions: dict[str, tuple[str, ...]] = {}
    passwords: dict[str, int] = {}


class Login(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a database's server is reached, without the secret: ``secret`` in its ``version`` is the password, or the
    whole URL where ``server``, the name of the instance that answers, is empty.
    """

    secret: str
    version: int
    server: str = ""
    user: str = ""
    name: str = ""


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """One instance behind a route: its name and ``host:port``."""

    instance: str
    address: str


class ServiceRoute(msgspec.Struct, frozen=True, kw_only=True):
    """The route to one service: path prefix, backends, and the probe by which the router keeps asking them."""

    service: str
    path: str = "/"
    strip_prefix: bool = False
    backends: tuple[Backend, ...] = ()
    ready: Probe | None = None
    affinity: bool = False


class RouteTls(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an environment's domain is served by TLS: a certificate by ACME for a contact, or from two files on the host.

    The files are read again when they change. ``hsts`` in seconds, 0 for none.
    """

    acme: str = ""
    certificate: str = ""
    key: str = ""
    hsts: int = 0


class Edge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands between visitors and an environment.

    ``logins`` are lines of ``user:hash`` (bcrypt, never a plain password), ``allow`` networks; both must let a visitor
    in where both are given. ``limits`` as in the manifest. With ``tls`` the domain answers by TLS, and by plain HTTP
    only where to go instead.
    """

    logins: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    limits: Limits = Limits()
    tls: RouteTls | None = None


class Maintenance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An environment that shows its visitors a page instead of what it serves.

    ``message`` is what the page says (empty: its own words), ``since`` seconds since the epoch, ``by`` who did it,
    ``retry_after`` the seconds after which clients are told to ask again.
    """

    message: str = ""
    since: float = 0.0
    by: str = ""
    retry_after: int = 120


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """By what the agent's own checks get past an environment's edge: headers to send with every request.

    ``trust`` is a file with the very certificates that the router shows for the environment, empty where those of the
    host's system are held against. It is read again when it changes.
    """

    headers: dict[str, Secret] = {}
    trust: str = ""


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A second generation that gets a ``share`` (between 0 and 1) of an environment's requests beside the first."""

    generation: str
    share: float
    services: tuple[ServiceRoute, ...] = ()


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """All routes of one environment; they switch in one act.

    ``generation`` names the rollout they belong to, so that the router's counters are kept per release. ``hold`` above
    0 lets every request wait, that many seconds at most, until routes without it are in force: meanwhile no instance
    is asked, and backends may be left out. ``canary`` takes a part of the requests away from these services. Under
    ``maintenance`` visitors get its page; who has a pass still reaches the services.
    """

    environment: str
    generation: str
    port: int | None = None
    domain: str | None = None
    services: tuple[ServiceRoute, ...] = ()
    edge: Edge = Edge()
    hold: float = 0.0
    maintenance: Maintenance | None = None
    canary: Canary | None = None


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What the router counted for one generation of an environment: answers, 5xx answers, and a latency estimate.

    ``latency_p95`` is in seconds (None without requests), an upper bound from the router's histogram: ``buckets`` maps
    each bound in seconds to how many answers took no longer.
    """

    requests: int = 0
    errors: int = 0
    latency_p95: float | None = None
    buckets: dict[float, int] = {}

    def since(self, before: "Counters") -> "Counters":
        """Return what was counted since an earlier look."""
        buckets = {bound: max(0, n - before.buckets.get(bound, 0)) for bound, n in self.buckets.items()}
        return Counters(
            requests=max(0, self.requests - before.requests),
            errors=max(0, self.errors - before.errors),
            latency_p95=p95(buckets) if buckets else self.latency_p95,
            buckets=buckets,
        )


def p95(buckets: dict[float, int]) -> float | None:
    """Return the smallest bound that covers 95 % of the answers; the largest finite one when none does."""
    total = buckets.get(float("inf"), 0)
    if total == 0:
        return None
    finite = sorted(bound for bound in buckets if bound != float("inf"))
    return next((bound for bound in finite if buckets[bound] >= 0.95 * total), finite[-1])
