"""Finds the environment variables a program reads, and which of them are likely to be secrets."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from lading.manifest.advice import looks_secret
from lading.survey.code import Code, Module, argument, assignments, keyword, literal
from lading.survey.files import Repository
from lading.survey.settings import setting_variables
from lading.survey.values import Place, Variable

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LONGEST = 200  # characters of a default that is worth showing
# What the runtime gives, what a shell, a test run or a build server sets, and what Python itself reads.
GIVEN = re.compile(
    r"PORT|HOST|UVICORN_(PORT|HOST)|FORWARDED_ALLOW_IPS|PATH|HOME|USER|LOGNAME|SHELL|PWD|TMPDIR|TEMP|TMP|LANG|LC_\w+|TZ"
    r"|TERM|CI|GITHUB_\w+|GITLAB_\w+|PYTEST_\w+|PYTHON\w*|VIRTUAL_ENV|LADING_\w+|LD_\w+|XDG_\w+|EDITOR|NO_COLOR|COLUMNS"
    r"|COMPOSE_\w+|DOCKER_\w+|HOSTNAME|DJANGO_SETTINGS_MODULE"
)
ADDRESS = re.compile(r"(^|_)(DATABASE|DB|POSTGRES|POSTGRESQL|PG|MYSQL|MONGO|MONGODB|REDIS|BROKER|RABBITMQ|AMQP|CACHE"
                     r"|RESULT_BACKEND|CELERY)\w*_?(URL|URI|DSN|BACKEND)$|_DSN$", re.IGNORECASE)  # fmt: skip
SAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "env.example", "example.env", ".env.defaults")
# Reading by these fails nowhere; by the objects below it does, unless a default is given.
LENIENT = frozenset(("os.getenv", "os.environ.get", "os.environ.setdefault", "os.environ.pop"))
ENVS = frozenset(("environ.Env", "environs.Env", "starlette.config.Config", "decouple.AutoConfig", "decouple.Config"))
LINE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]{0,63})\s*=(?P<value>.*)")
TYPED = frozenset(("str", "int", "float", "bool", "list", "json", "dict", "url", "path", "get_value", "db", "db_url",
                   "cache", "cache_url", "email_url", "dj_db_url", "dj_cache_url", "dj_email_url", "log_level",
                   "timedelta", "decimal", "uuid"))  # fmt: skip
IMPLIED = {"db": "DATABASE_URL", "db_url": "DATABASE_URL", "cache": "CACHE_URL", "cache_url": "CACHE_URL",
           "email_url": "EMAIL_URL"}  # fmt: skip


def is_sensitive(name: str, value: str = "x") -> bool:
    """Tell whether a variable is likely to hold a secret, by its name or its value."""
    return bool(ADDRESS.search(name)) or looks_secret(name, value or "x")


def find_variables(repository: Repository, code: Code, context: str) -> list[Variable]:
    """Return every variable once: as the sample file says it where it does, else as the code reads it first."""
    found: dict[str, Variable] = {}
    for variable in _read_by(code):
        known = found.get(variable.name)
        if known is None or (variable.required and not known.required and known.default is None):
            found[variable.name] = variable
    for variable in _sampled(repository, context):
        known = found.get(variable.name)
        found[variable.name] = variable if known is None else _merged(known, variable)
    return [variable for name, variable in found.items() if not GIVEN.fullmatch(name)]


def variable(name: str, place: Place, *, required: bool, default: str | None, kind: str = "text") -> Variable:
    """Return a variable; the value of what may be a secret is not kept, but for the address of an SQLite file."""
    default = default if default is None or (len(default) <= LONGEST and default.isprintable()) else ""
    sensitive = is_sensitive(name, default or "")
    hidden = sensitive and default is not None and not default.startswith("sqlite")
    return Variable(
        name=name,
        place=place,
        required=required,
        sensitive=sensitive,
        default="" if hidden else default,
        kind=kind,
    )


def _merged(known: Variable, sampled: Variable) -> Variable:
    """Return what code and sample file say together: the sample's value shows what a working one looks like."""
    return Variable(
        name=known.name,
        place=known.place,
        required=known.required or (known.sensitive and not known.default),
        sensitive=known.sensitive or sampled.sensitive,
        default=sampled.default or known.default,
        kind=known.kind,
    )


class _Helper(NamedTuple):
    """A function of the repository that reads the variable it is told: which argument names it, and whether it may be
    missing."""

    place: int
    name: str
    strict: bool


def _helpers(code: Code) -> Iterator[tuple[str, _Helper]]:
    """Give the functions that read a variable by the name they are called with, such as ``required("JWT_KEY")``."""
    for module in code.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                names = [item.arg for item in node.args.args]
                keys = {key.id for part in ast.walk(node) if isinstance(key := _key(code, module, part), ast.Name)}
                found = next((place for place, name in enumerate(names) if name in keys), None)
                if found is not None:
                    strict = any(isinstance(part, ast.Raise) for part in ast.walk(node))
                    yield f"{module.name}.{node.name}", _Helper(found, names[found], strict)


def _key(code: Code, module: Module, node: ast.AST) -> ast.expr | None:
    """Return what names the variable that an expression reads, None where it reads none."""
    if isinstance(node, ast.Subscript) and code.canonical(module.full(node.value)) == "os.environ":
        return node.slice
    if isinstance(node, ast.Call) and code.canonical(module.full(node.func)) in LENIENT:
        return argument(node, 0, "key")
    return None


def _read_by(code: Code) -> Iterator[Variable]:
    helpers = dict(_helpers(code))
    objects = {
        f"{module.name}.{name}"
        for module in code.modules
        for name, value in assignments(module.tree)
        if isinstance(value, ast.Call) and code.canonical(module.full(value.func)) in ENVS
    }
    for module in code.modules:
        yield from _of_module(code, module, objects, helpers)
        yield from setting_variables(code, module, variable)


def _of_module(code: Code, module: Module, objects: set[str], helpers: dict[str, _Helper]) -> Iterator[Variable]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Subscript) and code.canonical(module.full(node.value)) == "os.environ":
            name = code.string(node.slice)
            if name is not None and isinstance(node.ctx, ast.Load) and NAME.fullmatch(name):
                yield variable(name, module.place(node), required=True, default=None)
        elif isinstance(node, ast.Call):
            yield from _of_call(code, module, node, objects)
            helper = helpers.get(code.canonical(module.full(node.func)))
            if helper is not None:
                key = argument(node, helper.place, helper.name)
                default = argument(node, helper.place + 1, "default")
                yield from _named(code, module, node, key, default, strict=helper.strict)


def _of_call(code: Code, module: Module, call: ast.Call, objects: set[str]) -> Iterator[Variable]:
    full = code.canonical(module.full(call.func))
    if full in LENIENT:
        yield from _named(code, module, call, argument(call, 0, "key"), argument(call, 1, "default"), strict=False)
    elif full == "decouple.config":
        yield from _named(code, module, call, argument(call, 0, "option"), argument(call, 1, "default"), strict=True)
    elif full == "dj_database_url.config":
        named = ast.Constant(code.string(keyword(call, "env")) or "DATABASE_URL")
        yield from _named(code, module, call, named, keyword(call, "default"), strict=False)
    elif _is_reader(code, module, call.func, objects):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        implied = ast.Constant(IMPLIED[method]) if method in IMPLIED else None
        first = argument(call, 0, "var") or implied
        place = 2 if full.startswith("starlette") else 1
        yield from _named(code, module, call, first, argument(call, place, "default"), strict=True)


def _is_reader(code: Code, module: Module, function: ast.expr, objects: set[str]) -> bool:
    if isinstance(function, ast.Attribute) and function.attr in TYPED:
        function = function.value
    full = code.canonical(module.full(function))
    if full in objects or full in ("environs.env", "decouple.config"):
        return True
    # What a module takes from another with * has no name of its own there.
    starred = isinstance(function, ast.Name) and "*" in module.imports
    return starred and full.rpartition(".")[2] in {name.rpartition(".")[2] for name in objects}


def _named(
    code: Code, module: Module, call: ast.Call, name: ast.expr | None, default: ast.expr | None, *, strict: bool
) -> Iterator[Variable]:
    text = code.string(name)
    if text is None or not NAME.fullmatch(text):
        return
    given = _default(code, default)
    kind = "flag" if _is_flag(call, default) else "text"
    yield variable(text, module.place(call), required=strict and default is None, default=given, kind=kind)


def _default(code: Code, node: ast.expr | None) -> str | None:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return None
    text = literal(node)
    if text is None:
        text = code.string(node)
    # Something that only running the program tells: there is a default, and it is not known.
    return _sqlite_in(node) if text is None else text


def _sqlite_in(node: ast.expr) -> str:
    parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    return next((part for part in parts if part.startswith("sqlite")), "")


def _is_flag(call: ast.Call, default: ast.expr | None) -> bool:
    cast = keyword(call, "cast")
    typed = isinstance(call.func, ast.Attribute) and call.func.attr == "bool"
    is_bool = isinstance(default, ast.Constant) and isinstance(default.value, bool)
    return typed or is_bool or (isinstance(cast, ast.Name) and cast.id == "bool")


def _sampled(repository: Repository, context: str) -> Iterator[Variable]:
    places = {"", "" if context == "." else f"{context}/"}
    for name in (f"{place}{sample}" for place in sorted(places) for sample in SAMPLES):
        for number, line in enumerate((repository.text(name) or "").splitlines(), 1):
            match = LINE.fullmatch(line)
            if match:
                value = _unquoted(match["value"])
                yield variable(match["name"], Place(name, number), required=True, default=value or None)


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] in ("'", '"') and value[:1] in value[1:]:
        return value[1 : value.index(value[0], 1)]
    return re.sub(r"(^|\s)#.*$", "", value).strip()
