"""The keys of ``[environments.NAME]``: configuration only, never a build, command, check or migration."""

from lading.manifest import words
from lading.manifest.grammar_mounts import named
from lading.manifest.grammar_release import EGRESS, RESOURCES, VARIABLES
from lading.manifest.grammar_stores import BACKUP, STORE
from lading.manifest.kinds import Choice, Duration, Flag, Integer, Number, Size, Text
from lading.manifest.tables import Either, Key, ListOf, MapOf, Table
from lading.model.environment_table import Access, Environment, Limits, Placement, Requires, SecretSource, Strategy, Tls

_STRATEGY = Either(
    Choice("blue-green", "canary", "recreate"),
    Table(
        (
            Key(
                "kind",
                Choice("blue-green", "canary", "recreate"),
                "How traffic moves: the new release starts beside the old one and takes over at once, or share by "
                "share, or starts when the old one has stopped, for programs of which only one may run.",
                example='"blue-green"',
            ),
            Key(
                "watch",
                Duration(most=86400),
                "How long the new release is watched after the cutover; too many errors bring the old one back.",
                example='"60s"',
                default="by tier",
            ),
            Key(
                "errors",
                Number("a share from 0 to 1 such as 0.02", least=0, most=1),
                "The tolerated share of 5xx answers while it is watched.",
                example="0.02",
            ),
            Key(
                "drain_limit",
                Duration(most=86400),
                "How long an old instance may finish what it is answering, streams included.",
                example='"30s"',
            ),
            Key(
                "keep_previous",
                Duration(most=7 * 86400),
                "How long the previous instances stay up for an instant way back.",
                example='"10m"',
            ),
            Key(
                "canary",
                ListOf(
                    Number("a share between 0 and 1 such as 0.1", least=0.001, most=0.999),
                    "a share such as 0.1, or a rising list such as [0.1, 0.5]",
                    lone=True,
                    unique=True,
                ),
                "The shares of the requests that a canary gets one after the other, before it gets all.",
                example="[0.1, 0.5]",
                default="0.1, then 0.5",
            ),
            Key(
                "canary_for",
                Duration(most=86400),
                "How long each share of a canary is held and compared with what the previous release serves.",
                example='"10m"',
                default="by tier, as watch",
            ),
            Key(
                "latency",
                Number("a factor of at least 1 such as 2", least=1, most=1000),
                "How many times as long as the previous release's the answers of a canary may take (95 of 100 of them, "
                "by a tenth of a second at least).",
                example="1.5",
            ),
            Key(
                "hold",
                Duration(least=1, most=600),
                "How long a request may wait: while a migration runs, which is undone when it takes longer, and while "
                "a release is recreated, when who waits longer is told to try again.",
                example='"10s"',
            ),
        ),
        Strategy,
        foreign={"type": "kind", "drain": "drain_limit", "error_budget": "errors"},
    ),
    lambda kind: Strategy(kind=kind),
    should='"blue-green" or a table such as { watch = "60s", errors = 0.02 }',
)

APPROVALS = Integer("a number of approvals from 0 to 10", least=0, most=10)
GATES = ListOf(words.GATE, 'a list such as ["ci/tests"]', unique=True)
AGE = Duration(least=60)

_REQUIRES = Table(
    (
        Key(
            "passed",
            ListOf(
                Text(
                    'the name of an environment, or "*" for any other one',
                    name="name",
                    pattern=r"^(\*|[a-z][a-z0-9-]*)$",
                ),
                'an environment such as "stage", or a list of them',
                lone=True,
                unique=True,
            ),
            "Environments in which this very digest has passed everything.",
            example='"stage"',
        ),
        Key("gates", GATES, "Further gates of its own that must have passed.", example='["ci/tests"]'),
        Key("approvals", APPROVALS, "How many people other than the requester must have approved.", example="1"),
        Key("restore_tested_within", AGE, "How old the last proven restore may be.", example='"7d"'),
        Key("max_age", AGE, "How old a statement may be.", example='"3d"', default="the agent's policy"),
    ),
    Requires,
    should='a table such as { passed = "stage", approvals = 1 }',
    foreign={"approval": "approvals", "gate": "gates", "after": "passed"},
)

_ACCESS = Table(
    (
        Key(
            "basic",
            words.SECRET_NAME,
            "The secret that holds `user:password`, one a line where there are several.",
            example='"STAGE_LOGIN"',
        ),
        Key(
            "allow",
            ListOf(words.NETWORK, 'a list such as ["192.0.2.0/24"]', unique=True),
            "The networks visitors may come from, as the router sees their addresses.",
            example='["192.0.2.0/24"]',
        ),
    ),
    Access,
    should='a table such as { basic = "STAGE_LOGIN" }',
    private=True,
    foreign={"auth": "basic", "allowlist": "allow", "whitelist": "allow", "ips": "allow"},
)

_LIMITS = Table(
    (
        Key(
            "rate",
            Number("a number of requests a second from 0.01 to 100000", least=0.01, most=100000),
            "Requests a second that one client address may make on average; more are answered 429.",
            example="20",
        ),
        Key(
            "burst",
            Integer("a number of requests from 1 to 1000000", least=1, most=10**6),
            "Requests that one client address may make at once before `rate` holds.",
            example="40",
            default="twice the rate",
        ),
        Key(
            "body",
            Size('a size of at least 1 KB such as "10MB"', least=1000),
            "The largest request body; larger ones are answered 413.",
            example='"10MB"',
        ),
        Key(
            "concurrency",
            Integer("a number of requests from 1 to 100000", least=1, most=100000),
            "Requests that each service may be answering at once; more are answered 429.",
            example="100",
        ),
    ),
    Limits,
    should='a table such as { rate = 20, body = "10MB" }',
    foreign={"rps": "rate", "requests": "rate", "max_body": "body", "connections": "concurrency"},
)

_TLS = Table(
    (
        Key("acme", words.MAIL, "Certificates by ACME, with this contact.", example='"ops@example.org"'),
        Key(
            "certificate",
            words.SECRET_OR_FILE,
            "The certificate with its chain (PEM): a file on the host, or the secret that holds it.",
            example='"/etc/ssl/shop.pem"',
        ),
        Key(
            "key",
            words.SECRET_OR_FILE,
            "Its private key (PEM): a file on the host, or the secret that holds it.",
            example='"TLS_KEY"',
        ),
        Key(
            "hsts",
            Duration(most=2 * 366 * 86400),
            "For how long browsers are told to come by TLS only; 0 for not at all.",
            example='"180d"',
        ),
    ),
    Tls,
    should='a table such as { acme = "ops@example.org" }',
)

_SECRET_SOURCE = Table(
    (
        Key(
            "command",
            words.COMMAND,
            "A program on the agent's host that prints the value; no shell is between.",
            example='"op read op://vault/jwt/key"',
        ),
        Key("env", words.VARIABLE, "A variable of the agent's own environment.", example='"JWT_KEY"'),
        Key("file", words.ABSOLUTE, "A file on the agent's host.", example='"/run/secrets/jwt"'),
    ),
    SecretSource,
    should='a table such as { command = "op read …" }; never the value itself',
    private=True,
)

_SAME_EVERYWHERE = (
    "does not belong to an environment: what production runs would not be what stage tested; "
    "write it once, at the top of the manifest, for all environments"
)
_NEVER = (
    "build",
    "builds",
    "image",
    "dockerfile",
    "bundle",
    "artifact",
    "command",
    "commands",
    "entrypoint",
    "cmd",
    "run",
    "check",
    "checks",
    "health",
    "ready",
    "smoke",
    "migrate",
    "migration",
    "migrations",
    "services",
    "service",
    "jobs",
    "job",
    "schedule",
    "static",
    "files",
    "project",
)

_PLACEMENT = Table(
    (
        Key(
            "url",
            words.SECRET_NAME,
            "The secret that holds the URL of a database run by somebody else.",
            example='"MAIN_URL"',
        ),
        Key("resources", RESOURCES, "Limits of a server that Lading runs.", example='{ memory = "1GiB" }'),
    ),
    Placement,
    should='a table such as { url = "MAIN_URL" }',
    private=True,
    never=dict.fromkeys(("engine", "env", "env_parts", "migrate", "build", "version"), _SAME_EVERYWHERE),
)

ENVIRONMENT = Table(
    (
        Key(
            "host",
            words.AGENT,
            "The agent that carries it: of another machine by ssh, or another one of this machine by its socket.",
            example='"ssh://deploy@example.org"',
            default="the agent on this machine",
        ),
        Key(
            "tier",
            Choice("local", "stage", "production"),
            "How careful Lading is with it.",
            example='"stage"',
            default="by name: local and dev are local, production and prod are production, others stage",
        ),
        Key("domain", words.DOMAIN, "The name it is reached by.", example='"example.org"'),
        Key(
            "port",
            Integer("a port from 1 to 65535", least=1, most=65535),
            "The router's port on the host, for environments without a domain.",
            example="8080",
            default="a free one, kept",
        ),
        Key(
            "env",
            VARIABLES,
            "Variables; they go before those of services, jobs and the project.",
            example='{ DEBUG = "1" }',
        ),
        Key(
            "secrets",
            MapOf(
                _SECRET_SOURCE,
                'a table such as { JWT_KEY = { command = "op read …" } }; never the values themselves',
                names=words.SECRET_PATTERN,
                name_rule=words.SECRET_RULE,
            ),
            "Where secrets come from, if not from the agent's own store; the agent has to allow it.",
            example='{ JWT_KEY = { command = "op read op://vault/jwt/key" } }',
        ),
        Key("access", _ACCESS, "Who may reach it.", example='{ basic = "STAGE_LOGIN" }'),
        Key("limits", _LIMITS, "How much its visitors may ask.", example='{ rate = 20, body = "10MB" }'),
        Key(
            "replicas",
            named(Integer("a number of instances from 1 to 64", least=1, most=64), "{ web = 2 }"),
            "Instances per service.",
            example="{ web = 2 }",
            default="1 each",
        ),
        Key(
            "resources",
            named(RESOURCES, '{ web = { memory = "1GiB" } }'),
            "Limits per service, instead of the service's own.",
            example='{ web = { memory = "1GiB" } }',
        ),
        Key(
            "egress",
            named(EGRESS, '{ web = ["api.example.org:443"] }'),
            "Endpoints per service, instead of the service's own.",
            example='{ web = ["api.example.org:443"] }',
        ),
        Key("strategy", _STRATEGY, "How traffic moves to a new release.", example='{ watch = "60s" }'),
        Key(
            "databases",
            named(_PLACEMENT, '{ main = { url = "MAIN_URL" } }'),
            "Where databases lie.",
            example='{ main = { url = "MAIN_URL" } }',
        ),
        Key("backup", BACKUP, "Backups of its data.", example='{ every = "1h", keep = "30d" }'),
        Key(
            "outputs",
            STORE,
            "The object store that the files of its runs of jobs are copied to.",
            example='{ store = "s3://acme-outputs/lading" }',
            default="they stay on the host",
        ),
        Key("schedules", Flag(), "Whether jobs run by their schedules.", example="true", default="in production only"),
        Key("tls", _TLS, "Certificates.", example='{ acme = "ops@example.org" }'),
        Key("requires", _REQUIRES, "What a release must have before it is taken.", example='{ passed = "stage" }'),
    ),
    Environment,
    foreign={
        "environment": "env",
        "variables": "env",
        "url": "domain",
        "hostname": "domain",
        "server": "host",
        "scale": "replicas",
        "instances": "replicas",
        "auth": "access",
        "artifacts": "outputs",
        "approvals": "requires = { approvals = … }",
        "passed": "requires = { passed = … }",
    },
    never=dict.fromkeys(_NEVER, _SAME_EVERYWHERE),
)
