"""The keys of ``[[smoke]]``: a user-visible behaviour, asked for in the same way everywhere."""

from typing import Any

from lading.manifest import words
from lading.manifest.kinds import Duration, Flag, Integer, Json
from lading.manifest.tables import Key, ListOf, MapOf, Table
from lading.model.manifest import Auth, Expect, SmokeStep

METHODS = ("get", "post", "put", "patch", "delete", "head")

_HEADERS = MapOf(
    words.VALUE,
    'a table such as { Accept = "application/json" }',
    names=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
    name_rule='header names are like "Accept-Language"',
    label="HEADER",
)


def _smoke_step(**fields: Any) -> SmokeStep:
    """Make a step; ``get = "/x"`` becomes method and path."""
    for method in METHODS:
        if method in fields:
            fields["path"] = fields.pop(method)
            fields["method"] = method.upper()
    return SmokeStep(**fields)


_TEXT = Key("text", words.FILLED, "What the answer or the output must contain.", example='"Welcome"')
_OF_RUNS = (
    Key(
        "exit",
        Integer("an exit status from 0 to 255", least=0, most=255),
        "Command and job: the exit status.",
        example="0",
        default="0",
    ),
    Key(
        "files",
        MapOf(
            Json(),
            'a table such as { "summary.json" = { failed = 0 } }',
            names=r"^[^/~\n][^\n]*$",
            name_rule="the left side is a path below the outputs",
            label="PATH",
        ),
        "Command and job: output files; JSON to contain, a text to contain, or true for *there and not empty*.",
        example='{ "summary.json" = { failed = 0 } }',
    ),
)

EXPECT = Table(
    (
        Key(
            "status",
            ListOf(
                Integer("a status such as 200", least=100, most=599),
                "a status or list of them such as [200, 204]",
                lone=True,
            ),
            "HTTP: the statuses that pass.",
            example="401",
            default="any from 200 to 299",
        ),
        Key("json", Json(), "HTTP: what the JSON answer must contain.", example='{ status = "ok" }'),
        _TEXT,
        Key("headers", _HEADERS, "HTTP: headers that the answer must have.", example='{ Location = "/login" }'),
        *_OF_RUNS,
    ),
    Expect,
    should='a table such as { status = 200, json = { status = "ok" } }',
    foreign={"code": "status", "body": "json or text", "header": "headers", "exit_status": "exit", "file": "files"},
)

JOB_EXPECT = Table(
    (_TEXT, *_OF_RUNS),
    Expect,
    should='a table such as { files = { "summary.json" = { failed = 0 } } }',
    foreign={"code": "exit", "exit_status": "exit", "status": "exit", "file": "files", "outputs": "files"},
)

_AUTH = Table(
    (
        Key("bearer", words.VALUE_NAME, "The secret or captured value to send as token.", example='"SMOKE_TOKEN"'),
        Key("basic", words.VALUE_NAME, "The secret that holds `user:password`.", example='"SMOKE_LOGIN"'),
    ),
    Auth,
    should='a table such as { bearer = "SMOKE_TOKEN" }',
    private=True,
)


def _method(name: str) -> Key:
    return Key(name, words.REQUEST_PATH, f"Send {name.upper()} to this path.", example='"/api/v1/status"', field=name)


SMOKE = ListOf(
    Table(
        (
            Key("name", words.FILLED, "What it is called in every report.", example='"status"', required=True),
            *(_method(name) for name in METHODS),
            Key("command", words.COMMAND, "Run this in the release's environment.", example='"python -m app.selftest"'),
            Key("job", words.name("a job"), "Run this job.", example='"settle"'),
            Key(
                "args",
                ListOf(words.ANY, 'a list such as ["--dry-run"]'),
                "Further arguments of the command or job.",
                example='["--dry-run"]',
            ),
            Key(
                "service",
                words.name("a service"),
                "Which service is asked, or whose environment the command gets.",
                example='"web"',
                default="the service whose path prefix fits",
            ),
            Key("headers", _HEADERS, "Request headers.", example='{ Accept = "application/json" }'),
            Key(
                "json",
                Json(),
                "The request's JSON body.",
                example='{ user = "smoke", password = "{{SMOKE_PASSWORD}}" }',
            ),
            Key(
                "form",
                MapOf(
                    words.VALUE,
                    'a table of texts such as { user = "smoke" }',
                    names=r"^[^\n]+$",
                    name_rule="a field has a name",
                    label="FIELD",
                ),
                "The request's form fields.",
                example='{ user = "smoke" }',
            ),
            Key("auth", _AUTH, "Names of secrets for the Authorization header.", example='{ bearer = "SMOKE_TOKEN" }'),
            Key("redirects", Flag(), "Whether redirects are followed.", example="true"),
            Key(
                "capture",
                MapOf(
                    words.DOTTED,
                    'a table such as { token = "data.token" }',
                    names=words.VARIABLE_PATTERN,
                    name_rule='captured values are named like "token"',
                ),
                "Values of the JSON answer for later steps, as {{NAME}} or in auth.",
                example='{ token = "access_token" }',
            ),
            Key("timeout", Duration(least=0.1, most=3600), "How long the step may take.", example='"10s"'),
            Key("expect", EXPECT, "What the step must see.", example="{ status = 200 }"),
        ),
        _smoke_step,
        model=SmokeStep,
        should='a table such as { name = "status", get = "/status" }',
        foreign={
            "url": "get (or post, put, …), with the path alone",
            "path": "get (or post, put, …)",
            "method": 'get = "/path" (or post, put, …)',
            "status": "status in expect",
            "body": "json or form",
            "data": "json or form",
            "token": "auth = { bearer = … }",
            "run": "command",
        },
    ),
    "a list of tables, each written [[smoke]]",
)
