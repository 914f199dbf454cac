"""The whole grammar of lading.toml, as one table of keys: checker, JSON Schema and reference are made of it."""

from lading.manifest import words
from lading.manifest.grammar_environments import AGE, APPROVALS, ENVIRONMENT, GATES
from lading.manifest.grammar_mounts import named
from lading.manifest.grammar_release import BUILDS, DATABASES, JOBS, RESOURCES, SERVICES, VARIABLES
from lading.manifest.grammar_smoke import SMOKE
from lading.manifest.kinds import Flag
from lading.manifest.tables import Key, ListOf, MapOf, Table
from lading.model.manifest import Manifest, Project, Secrets, Size, Stack

_PROJECT = Table(
    (
        Key(
            "name", words.name("the project"), "The project's name on every host.", example='"cashback"', required=True
        ),
        Key("description", words.ANY, "One sentence for people.", example='"Cashback for merchants"'),
    ),
    Project,
    should='a table such as [project] with name = "cashback"',
)

_SECRET_NAMES = ListOf(words.SECRET_NAME, 'a list such as ["JWT_KEY"]', unique=True)
_SECRETS = Table(
    (
        Key(
            "required", _SECRET_NAMES, "Every environment must hold them before anything starts.", example='["JWT_KEY"]'
        ),
        Key(
            "optional", _SECRET_NAMES, "Given to the program where an environment holds them.", example='["SENTRY_DSN"]'
        ),
    ),
    Secrets,
    should='a table such as [secrets] with required = ["JWT_KEY"]',
    foreign={"names": "required", "keys": "required"},
    otherwise='list its name, required = ["JWT_KEY"]; values never stand here: lading secrets set ENVIRONMENT JWT_KEY',
)


def _size(**fields: object) -> Size:
    return Size(resources=RESOURCES.make(**fields))


_SIZES = named(Table(tuple(RESOURCES.keys.values()), _size, should=RESOURCES.should), "[sizes.large]")

_STACKS = named(
    Table(
        (
            Key(
                "compose",
                words.inside('the path of a compose file such as "langfuse/compose.yml"'),
                "The compose file; what lies beside it goes along.",
                example='"langfuse/compose.yml"',
                required=True,
            ),
            Key(
                "aliases",
                MapOf(
                    words.STACK_SERVICE,
                    'a table such as { langfuse = "web" }',
                    names=words.NAME_PATTERN,
                    name_rule=words.NAME_RULE,
                ),
                "Names by which the project's services reach services of the stack.",
                example='{ langfuse = "web" }',
            ),
            Key("env", VARIABLES, "Variables that the file is filled with.", example='{ LOG_LEVEL = "info" }'),
            Key(
                "secrets",
                _SECRET_NAMES,
                "Secrets of the environment that the file is filled with.",
                example='["LANGFUSE_SALT"]',
            ),
            Key(
                "publish",
                ListOf(words.STACK_SERVICE, 'a list of services such as ["web"]', unique=True),
                "Services of the stack whose ports stay published, on 127.0.0.1 unless the file says where.",
                example='["web"]',
            ),
        ),
        Stack,
        should='a table such as [stacks.langfuse] with compose = "langfuse/compose.yml"',
        foreign={"file": "compose", "compose_file": "compose", "ports": "publish", "environment": "env"},
    ),
    "[stacks.langfuse]",
)

_POLICY = Table(
    (
        Key("gates", GATES, "Gates that every environment demands.", example='["ci/tests"]'),
        Key("approvals", APPROVALS, "Approvals that every environment demands.", example="1"),
        Key("semantic_version", Flag(), "Take versions such as v1.5.0 only.", example="true"),
        Key("smoke_required", Flag(), "Take no release with an empty smoke suite.", example="true"),
        Key("max_age", AGE, "How old a statement may be.", example='"3d"'),
    ),
    dict,
)

MANIFEST = Table(
    (
        Key("project", _PROJECT, "What is deployed.", example='{ name = "cashback" }', required=True),
        Key(
            "build",
            BUILDS,
            "One artifact each, the same for every environment.",
            example='{ app = { bundle = "uv.lock" } }',
        ),
        Key(
            "services",
            SERVICES,
            "What runs all the time.",
            example='{ web = { command = "uvicorn app:app", port = 8000 } }',
        ),
        Key(
            "databases", DATABASES, "Where data lies.", example='{ main = { engine = "sqlite", env = "DATABASE_URL" } }'
        ),
        Key("jobs", JOBS, "What runs to its end.", example='{ settle = { command = "python -m app.settle" } }'),
        Key("smoke", SMOKE, "Behaviours that a release must show.", example='[{ name = "status", get = "/status" }]'),
        Key("env", VARIABLES, "Variables of all services and jobs.", example='{ LOG_LEVEL = "info" }'),
        Key("secrets", _SECRETS, "Names of secrets; values never stand here.", example='{ required = ["JWT_KEY"] }'),
        Key("sizes", _SIZES, "Resource profiles for jobs.", example='{ large = { cpu = 4, memory = "8GiB" } }'),
        Key(
            "stacks",
            _STACKS,
            "What runs beside the project from a compose file of its own, untouched by rollouts.",
            example='{ langfuse = { compose = "langfuse/compose.yml" } }',
        ),
        Key("environments", named(ENVIRONMENT, "[environments.stage]"), "Where it runs.", example="{ stage = {} }"),
        Key(
            "policy",
            _POLICY,
            "Demands on every environment; they can only tighten.",
            example='{ gates = ["ci/tests"] }',
        ),
    ),
    Manifest,
    foreign={
        "environment": "environments",
        "envs": "environments",
        "service": "services",
        "job": "jobs",
        "database": "databases",
        "builds": "build",
        "secret": "secrets",
        "size": "sizes",
        "stack": "stacks",
        "name": "name in [project]",
        "variables": "env",
        "checks": "[[smoke]]",
        "tests": "[[smoke]]",
    },
)
