"""Texts with a shape of their own: names, paths, domains, hosts, cron lines; shared by all parts of the grammar."""

import re

from lading.manifest.cron import complaint_about
from lading.manifest.kinds import Text

NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
NAME_RULE = 'names are like "web" or "daily-report": small letters, digits and hyphens, at most 40'
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
VARIABLE_RULE = 'variables are like "LOG_LEVEL": letters, digits and underscores'
SECRET_PATTERN = r"^[A-Z_][A-Z0-9_]*$"
SECRET_RULE = 'secrets are named like "JWT_KEY": capitals, digits and underscores'
# A path of the source in its one plain form, so that nothing is mounted twice by two names.
SOURCE_PATTERN = r"^(?!\.{0,2}(/|$))(?!.*/\.{0,2}(/|$))[^/~\n\0][^\n\0]*$"
SOURCE_RULE = 'the left side is a path inside the project, such as "config" or "deploy/settings.yaml"'

# What they name decides which code a program is, so that no environment and no secret may set them: what production
# runs would not be what stage tested.
_OF_PYTHON = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR")
CODE_VARIABLES = frozenset(("PATH", "VIRTUAL_ENV", *_OF_PYTHON, "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"))
CODE_RULE = "decides which code runs, and that is the same everywhere"

_ROUTE = r"/[A-Za-z0-9._~@:%+,=/-]*"
_QUERY = r"(\?[A-Za-z0-9._~@:%+,=/&-]*)?"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_PORT = r"(:[0-9]{1,5})?"
# A name, an alias of ssh's configuration or an address; then the home of an agent that is not the whole machine's.
_SSH = (
    rf"ssh://([A-Za-z0-9_][A-Za-z0-9._-]*@)?({_DOMAIN}|[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]){_PORT}"
    r"(/[A-Za-z0-9._/@+-]*)?"
)
_TEMPLATE_HINT = (r"\{\{", "templates such as {{NAME}} stand in smoke steps only")
_SHELL_HINT = (r"\$", "nothing is filled in here: write the value itself")
_DOMAIN_HINTS = (
    _TEMPLATE_HINT,
    _SHELL_HINT,
    (r"://", "leave out the scheme"),
    (r"/", "leave out the path"),
    (r"\*", "wildcards are not taken"),
    (r":", "the port has a key of its own"),
    (r"[A-Z]", "write it in small letters"),
    (r"_", "host names have no underscores"),
)


def _inside(path: str) -> str | None:
    """Complain of a path that leaves the project."""
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        return "should be a path relative to lading.toml"
    if ".." in path.split("/"):
        return "leaves the project: no part of the path may be .."
    return None


def _network(value: str) -> str | None:
    """Complain of what looks like a network and is none."""
    import ipaddress

    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        return f"is no network: {error}"
    return None


def _timezone(value: str) -> str | None:
    """Complain of a time zone that nobody has."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        return 'is no time zone: names are like "Europe/Berlin" or "UTC"'
    return None


def static_complaint(path: str) -> str | None:
    """Complain of a directory that cannot be meant: absolute ones are those of an image."""
    return _inside(path.lstrip("/") or ".")


def name(what: str) -> Text:
    """Return the kind of a name that refers to ``what``."""
    return Text(f"the name of {what}", name="name", pattern=NAME_PATTERN, hints=((r"", NAME_RULE),))


def inside(should: str) -> Text:
    """Return the kind of a path that stays in the project."""
    return Text(should, name="path", pattern=r"^[^\n]+$", judge=_inside)


_ADDRESS_HINT = (r"^https?://", "the path alone: Lading knows where the service listens")
REPOSITORY = Text(
    'a repository such as "registry.example.org/team/shop"',
    name="repository",
    pattern=r"^(?=[^/]*[.:]|localhost/)[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$",
    hints=(
        (r"^https?://", "leave out the scheme"),
        (r"@|:[^/]*$", "without a tag: an image is named by its digest"),
        (r"[A-Z]", "write it in small letters"),
        (r"^[^/]*$", "the registry's host and a path in it"),
        (r"^(?!localhost/)[^/.:]*/", "begin with the registry's host, such as docker.io"),
    ),
)
COMMAND = Text('a command such as "python -m app.main"', name="command", pattern=r"^[\s\S]*\S[\s\S]*$")
ANY = Text()
# Somebody may have put a secret there, so a message never repeats it.
VALUE = Text("a text in quotes", private=True)
FILLED = Text("a text in quotes, not empty", pattern=r"^[\s\S]*\S[\s\S]*$")
_SLASH_HINT = (r"^[A-Za-z0-9]", "a path begins with /")
_ROUTE_HINTS = (_TEMPLATE_HINT, _ADDRESS_HINT, _SLASH_HINT)
ROUTE = Text('a path such as "/api"', name="path", pattern=rf"^{_ROUTE}$", hints=_ROUTE_HINTS)
PROBE_PATH = Text('a path such as "/ready"', name="path", pattern=rf"^{_ROUTE}{_QUERY}$", hints=_ROUTE_HINTS)
REQUEST_PATH = Text('a path such as "/api/status", starting with /', name="path", pattern=r"^/[^\r\n]*$")
DOMAIN = Text(
    'a domain such as "example.org"', name="domain", pattern=rf"^{_DOMAIN}$", longest=253, hints=_DOMAIN_HINTS
)
HOST_HEADER = Text(
    'a host name such as "example.org"', name="host", pattern=rf"^{_DOMAIN}{_PORT}$", hints=(_TEMPLATE_HINT,)
)
ENDPOINT = Text(
    'a host and port such as "api.example.org:443"',
    name="host:port",
    pattern=rf"^(\*\.)?{_DOMAIN}:[0-9]{{1,5}}$",
    hints=(_TEMPLATE_HINT, (r"://", "leave out the scheme"), (r"^[^:]*$", "add the port")),
)
STORE = Text(
    'a bucket and a prefix such as "s3://acme-outputs/lading"',
    name="s3://…",
    pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/(?!\.{1,2}(/|$))[A-Za-z0-9._=-]+)*/?$",
    private=True,
    hints=(
        _TEMPLATE_HINT,
        (r"@", "leave out the keys: access_key and secret_key name the secrets that hold them"),
        (r"^https?://", "the address of the server is the key endpoint"),
        (r"^s3:[^/]", "two slashes: s3://BUCKET/PREFIX"),
        (r"^[^:]*$", "begin with s3://"),
        (r"^s3://[^/]*[A-Z_]", "buckets are named in small letters, digits, points and hyphens"),
    ),
)
STORE_ENDPOINT = Text(
    'the address of a store such as "https://s3.example.org"',
    name="address",
    pattern=rf"^https?://{_DOMAIN}{_PORT}/?$",
    private=True,
    hints=(_TEMPLATE_HINT, (r"^[^:]*(:[0-9]+)?$", "begin with https://"), (r"^https?://[^/]*/.", "leave out the path")),
)
REGION = Text('a region such as "eu-central-1"', name="region", pattern=r"^[a-z0-9-]{1,64}$")
AGENT = Text(
    'the address of an agent such as "unix:///run/lading/agent.sock" or "ssh://deploy@example.org"',
    name="address",
    pattern=rf"^(unix:///[^\s{{}}]+|{_SSH}|https://{_DOMAIN}{_PORT}/?)$",
    hints=(
        _TEMPLATE_HINT,
        (r"^http://", "plain http would show the token to everyone on the way; use https or ssh"),
        (r"^[^/:]+$", 'write "ssh://USER@HOST"; leave host out for the agent on this machine'),
        (r"^unix:", "a socket's path is absolute, so three slashes: unix:///run/…"),
    ),
)
SECRET_NAME = Text(
    'the name of a secret such as "SMOKE_TOKEN"', name="secret's name", pattern=SECRET_PATTERN, longest=64, private=True
)
SECRET_OR_FILE = Text(
    'the name of a secret such as "TLS_KEY", or an absolute path such as "/etc/ssl/shop.pem"',
    name="secret or path",
    pattern=r"^([A-Z_][A-Z0-9_]{0,63}|/[^\s{}]+)$",
    private=True,
)
VALUE_NAME = Text(
    'the name of a secret or captured value such as "SMOKE_TOKEN", never the value itself',
    name="secret's name",
    pattern=VARIABLE_PATTERN,
    longest=64,
    private=True,
)
VARIABLE = Text(
    'the name of a variable such as "DATABASE_URL"',
    name="variable",
    pattern=VARIABLE_PATTERN,
    hints=((r"\$", "the name alone, without $"),),
)
ABSOLUTE = Text(
    'an absolute path such as "/srv/receipts"', name="path", pattern=r"^/[^\s{}]*$", hints=(_TEMPLATE_HINT,)
)
STATIC = Text(
    'a directory such as "dist", or of an image "/app/dist"', name="path", pattern=r"^[^\n]+$", judge=static_complaint
)
IMAGE = Text(
    'an image with its tag or digest such as "redis:7-alpine"',
    name="image",
    pattern=r"^[a-z0-9][a-z0-9._/:-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$",
    longest=255,
    hints=(
        (r"^[^:@]*$", "which of its versions: name a tag"),
        (r"^[a-z0-9.-]+:[0-9]+/[^:@]*$", "which of its versions: name a tag"),
    ),
)
CRON = Text('a cron line such as "0 3 * * *"', name="cron line", judge=complaint_about)
TIMEZONE = Text(
    'a time zone such as "Europe/Berlin"',
    name="time zone",
    pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$",
    judge=_timezone,
)
NETWORK = Text(
    'a network such as "192.0.2.0/24"', name="network", pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", judge=_network
)
GATE = Text('the name of a gate such as "ci/tests"', name="gate", pattern=r"^[a-z0-9][a-z0-9._/-]*$", longest=80)
USER = Text('a user such as "10001" or "app"', name="user", pattern=r"^[a-z0-9_][a-z0-9_-]*(:[a-z0-9_][a-z0-9_-]*)?$")
ALIAS = Text('a host name such as "db"', name="host", pattern=rf"^{_DOMAIN}$", longest=253, hints=_DOMAIN_HINTS)
STACK_SERVICE = Text(
    'a service of the compose file such as "web"', name="service", pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$"
)
DOTTED = Text('a dotted path into the JSON answer such as "data.token"', name="dotted path", pattern=r"^[^\s]+$")
MAIL = Text('a mail address such as "ops@example.org"', name="mail address", pattern=r"^[^@\s]+@[^@\s]+$")
