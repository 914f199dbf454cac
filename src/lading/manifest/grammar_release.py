"""What a release freezes: builds, services, databases and jobs; the keys of their tables."""

from typing import Any

from lading.manifest import words
from lading.manifest.grammar_mounts import FILES, VOLUMES, named
from lading.manifest.grammar_smoke import JOB_EXPECT
from lading.manifest.kinds import Choice, Duration, Flag, Integer, Json, Number, Size, Text
from lading.manifest.tables import Either, Key, ListOf, MapOf, Table
from lading.model.manifest import Build, Database, Job, Probe, Service
from lading.model.value import Resources

VARIABLES = MapOf(
    words.VALUE,
    'a table of texts such as { LOG_LEVEL = "info" }',
    names=words.VARIABLE_PATTERN,
    name_rule=words.VARIABLE_RULE,
    label="VARIABLE",
)

RESOURCES = Table(
    (
        Key("cpu", Number("a number of cores from 0.01 to 1024", least=0.01, most=1024), "Cores.", example="0.5"),
        Key("memory", Size(), "Memory; what exceeds it is killed or refused memory.", example='"512MB"'),
        Key(
            "pids",
            Integer("a number of processes from 1 to 1000000", least=1, most=10**6),
            "Processes and threads.",
            example="200",
        ),
    ),
    Resources,
    should='a table such as { cpu = 0.5, memory = "512MB" }',
    foreign={"cpus": "cpu", "mem": "memory", "mem_limit": "memory", "ram": "memory", "processes": "pids"},
)

PROBE = Either(
    words.PROBE_PATH,
    Table(
        (
            Key("path", words.PROBE_PATH, "What to ask with GET.", example='"/ready"', required=True),
            Key(
                "status",
                ListOf(
                    Integer("a status such as 200", least=100, most=599),
                    "a status or list of them such as [200, 204]",
                    lone=True,
                ),
                "The answers that pass.",
                example="[200, 204]",
            ),
            Key(
                "json",
                Json(),
                "What the JSON body must contain; for programs that answer 200 while unwell.",
                example='{ status = "ok" }',
            ),
            Key(
                "host",
                words.HOST_HEADER,
                "The Host header to send, for programs that refuse others.",
                example='"example.org"',
                default="the environment's domain, else the instance's address",
            ),
            Key("timeout", Duration(least=0.05, most=300), "How long one try may take.", example='"2s"'),
            Key("within", Duration(least=0.1, most=3600), "How long all tries together may take.", example='"5m"'),
            Key("interval", Duration(least=0.01, most=60), "The pause between two tries.", example='"200ms"'),
        ),
        Probe,
        foreign={"url": "path", "get": "path", "expect": "status and json", "retries": "within"},
    ),
    lambda path: Probe(path=path),
    should='a path such as "/ready", or a table such as { path = "/ready", within = "60s" }',
)

EGRESS = ListOf(words.ENDPOINT, 'a list such as ["api.example.org:443"]', unique=True)

BUILDS = named(
    Table(
        (
            Key(
                "bundle",
                words.inside('a lock or requirements file such as "uv.lock"'),
                "Build a bundle for the process runtime from this lock or requirements file; it pins every dependency.",
                example='"uv.lock"',
            ),
            Key("dockerfile", words.inside('a file such as "Dockerfile"'), "Build an image.", example='"Dockerfile"'),
            Key("context", words.inside('a directory such as "backend"'), "The source to build.", example='"backend"'),
            Key("target", words.FILLED, "The stage of the Dockerfile to build.", example='"runtime"'),
            Key("args", VARIABLES, "Build arguments, never secrets.", example='{ VARIANT = "slim" }'),
            Key(
                "secrets",
                ListOf(words.SECRET_NAME, 'a list such as ["PIP_TOKEN"]', unique=True),
                "Secrets given to the build alone.",
                example='["PIP_TOKEN"]',
            ),
            Key("network", Choice("default", "none", "host"), "The network of the build.", example='"none"'),
            Key(
                "registry",
                words.REPOSITORY,
                "The repository that the image is pushed to and pulled from by digest; unset: it is sent to the host.",
                example='"registry.example.org/team/shop"',
            ),
        ),
        Build,
        foreign={
            "image": "dockerfile, or image in [services.NAME] for one that is not built here",
            "file": "dockerfile or bundle",
            "lock": "bundle",
        },
    ),
    "[build.app]",
)


def _service(**fields: Any) -> Service:
    # Empty means "the only build"; it is filled in once all of them are known.
    return Service(**{"build": "", **fields})


SERVICES = named(
    Table(
        (
            Key("build", words.name("a build"), "What it runs.", example='"app"', default="the only build"),
            Key(
                "image",
                words.IMAGE,
                "Run this image, which is not built here: a backing service, kept from release to release.",
                example='"redis:7-alpine"',
            ),
            Key(
                "check",
                words.COMMAND,
                "With image: a command of the image that must succeed before the service counts as up.",
                example='"redis-cli -h redis ping"',
            ),
            Key(
                "command",
                words.COMMAND,
                "What to start; a bundle needs it, an image may bring its own.",
                example='"uvicorn cashback.main:app"',
            ),
            Key("entrypoint", words.COMMAND, "Replaces the image's entry point.", example='"/bin/app"'),
            Key(
                "port",
                Integer("a port from 1 to 65535", least=1, most=65535),
                "Where it takes requests; without a port the service is a worker.",
                example="8000",
            ),
            Key("health", PROBE, "Answers while the process is up.", example='"/health"'),
            Key(
                "ready",
                PROBE,
                "Answers when requests may come: the database is there, migrations are applied.",
                example='"/ready"',
            ),
            Key("path", words.ROUTE, "The path prefix that is routed to it.", example='"/api"'),
            Key("strip_prefix", Flag(), "Whether the program sees paths without that prefix.", example="true"),
            Key(
                "static",
                words.STATIC,
                "Serve this directory of the build instead of running a program: of a bundle's source, or of an image.",
                example='"dist"',
            ),
            Key("env", VARIABLES, "Variables of this service.", example='{ LOG_LEVEL = "info" }'),
            Key(
                "volumes",
                VOLUMES,
                "Directories that outlive releases.",
                example='{ receipts = { env = "RECEIPTS_DIR" } }',
            ),
            Key(
                "files",
                FILES,
                "Files or directories of the release's own source, read-only and versioned with it.",
                example='{ "config" = "/app/config" }',
            ),
            Key(
                "egress",
                EGRESS,
                "The only endpoints it may reach; without the key, all.",
                example='["api.example.org:443"]',
            ),
            Key(
                "aliases",
                ListOf(words.ALIAS, 'a list such as ["backend"]', unique=True),
                "Further names under which the other services find it.",
                example='["backend"]',
            ),
            Key("user", words.USER, "The user it runs as.", example='"10001"'),
            Key("home", words.ABSOLUTE, "Its home directory.", example='"/tmp"'),
            Key(
                "stop_signal",
                Choice("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"),
                "The signal that asks it to end.",
                example='"SIGINT"',
            ),
            Key("grace", Duration(most=3600), "How long it may take to end before it is killed.", example='"30s"'),
            Key("resources", RESOURCES, "Limits of one instance.", example='{ cpu = 0.5, memory = "512MB" }'),
            Key(
                "affinity",
                Flag(),
                "Whether a visitor stays with one instance, by a cookie; when that is gone, with the next one.",
                example="true",
            ),
            Key(
                "relax",
                ListOf(
                    Choice("user", "read-only", "capabilities", "new-privileges", "limits"),
                    'a list such as ["read-only"]',
                    unique=True,
                ),
                "Safe defaults of the container to go without.",
                example='["read-only"]',
            ),
        ),
        _service,
        model=Service,
        foreign={
            "healthcheck": "health",
            "health_check": "health",
            "readiness": "ready",
            "liveness": "health",
            "environment": "env",
            "ports": "port",
            "cmd": "command",
            "run": "command",
            "cpu": "resources = { cpu = … }",
            "memory": "resources = { memory = … }",
            "secrets": "required in [secrets], for the whole project",
            "replicas": "replicas in [environments.NAME]",
            "domain": "domain in [environments.NAME]",
            "schedule": "schedule in [jobs.NAME]",
            "migrate": "migrate in [databases.NAME]",
        },
    ),
    "[services.web]",
)

DATABASES = named(
    Table(
        (
            Key("engine", Choice("postgres", "sqlite"), "Which database it is.", example='"sqlite"', required=True),
            Key("env", words.VARIABLE, "The variable that gets its URL.", example='"DATABASE_URL"'),
            Key(
                "env_parts",
                MapOf(
                    Choice("host", "port", "user", "password", "name", "path"),
                    'a table such as { DB_HOST = "host" }',
                    names=words.VARIABLE_PATTERN,
                    name_rule=words.VARIABLE_RULE,
                    label="VARIABLE",
                ),
                "Variables that get one part of the URL each; SQLite has a path only.",
                example='{ DB_FILE = "path" }',
            ),
            Key(
                "url_scheme",
                Text('a scheme such as "postgresql+asyncpg"', pattern=r"^[a-z][a-z0-9+.-]*$"),
                "The scheme of the URL, as the program's library wants it.",
                example='"postgresql+asyncpg"',
            ),
            Key("migrate", words.COMMAND, "Brings the schema up to the release.", example='"alembic upgrade head"'),
            Key(
                "version",
                Text('a version such as "17"', pattern=r"^[0-9][0-9A-Za-z.-]*$"),
                "The server's version, as the image postgres:VERSION has it.",
                example='"17"',
            ),
            Key("alias", words.ALIAS, "A further name of its server for containers beside it.", example='"postgres"'),
            Key(
                "build",
                words.name("a build"),
                "Whose code the migrations are.",
                example='"app"',
                default="the only build",
            ),
        ),
        Database,
        foreign={"type": "engine", "url": "env (Lading makes the URL)", "migrations": "migrate"},
    ),
    "[databases.main]",
)

JOBS = named(
    Table(
        (
            Key("command", words.COMMAND, "What to run.", example='"python -m cashback.settle"', required=True),
            Key("build", words.name("a build"), "What it runs from.", example='"app"', default="the only build"),
            Key("schedule", words.CRON, "When to run it by itself.", example='"0 3 * * *"'),
            Key("timezone", words.TIMEZONE, "The time zone of the schedule.", example='"Europe/Berlin"'),
            Key("timeout", Duration(least=1, most=7 * 86400), "How long one run may take.", example='"10m"'),
            Key("size", words.name("a size"), "The resource profile, one of [sizes].", example='"large"'),
            Key("env", VARIABLES, "Variables of this job.", example='{ BATCH = "100" }'),
            Key(
                "outputs",
                MapOf(
                    words.inside('a path inside the outputs directory such as "summary.json"'),
                    'a table such as { summary = "summary.json" }',
                    names=words.NAME_PATTERN,
                    name_rule=words.NAME_RULE,
                ),
                "Files that every run has to leave: without one of them, or with an empty one, it has failed.",
                example='{ summary = "summary.json" }',
            ),
            Key(
                "expect",
                JOB_EXPECT,
                "What a run must show: a job that ends with 0 and does not show it has failed.",
                example='{ files = { "summary.json" = { failed = 0 } } }',
            ),
            Key("volumes", VOLUMES, "Directories that outlive releases.", example='{ cache = { env = "CACHE_DIR" } }'),
            Key("egress", EGRESS, "The only endpoints it may reach.", example='["api.example.org:443"]'),
            Key("catch_up", Flag(), "Whether a missed run is made up for.", example="true"),
        ),
        Job,
        foreign={"cron": "schedule", "environment": "env", "run": "command", "cmd": "command", "resources": "size"},
    ),
    "[jobs.settle]",
)
