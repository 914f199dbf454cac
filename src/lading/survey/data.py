"""Finds the database a program uses, the variable that names it, and the command that brings its schema up."""

import ast
import re
from collections.abc import Iterator

from lading.survey.code import Code, Module, calls
from lading.survey.django import Django, database_values, entry
from lading.survey.files import Repository, is_aside
from lading.survey.values import App, Database, Migration, Place, Variable

NAMED = re.compile(r"(^|_)(DATABASE|DB|SQLALCHEMY|SQLITE|POSTGRES|POSTGRESQL|PG)\w*_?(URL|URI|DSN)$", re.IGNORECASE)
PATHS = re.compile(r"(^|_)(DATABASE|DB|SQLITE)(_?(PATH|FILE|FILENAME|NAME|LOCATION))?$", re.IGNORECASE)
URL = re.compile(r"^(sqlite)(\+\w+)?://")
POSTGRES = frozenset(
    ("psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "asyncpg", "pg8000", "psycopg[binary]")
)
MYSQL = frozenset(("mysqlclient", "pymysql", "aiomysql", "mysql-connector-python", "asyncmy"))


def find_database(
    code: Code, django: Django | None, variables: list[Variable], packages: frozenset[str], served: frozenset[str]
) -> Database | None:
    """Return the program's database. ``served`` are engines that a compose file runs beside it."""
    if django is not None:
        found = next(_of_django(code, django, variables), None)
        if found is not None:
            return found
    by_url = next((item for item in variables if NAMED.search(item.name)), None)
    seen = next(_sqlite_urls(code), None)
    if by_url is not None:
        return _by_variable(by_url, seen, packages, served)
    if packages & POSTGRES or "postgres" in served:
        place = Place("compose file") if "postgres" in served else Place("dependencies")
        return Database(engine="postgres", place=place, variable="DATABASE_URL", fixed=True)
    if seen is not None:
        place, scheme = seen
        return Database(engine="sqlite", place=place, variable="DATABASE_URL", scheme=scheme, fixed=True)
    return _by_path(code, variables)


def _by_variable(
    named: Variable, seen: tuple[Place, str] | None, packages: frozenset[str], served: frozenset[str]
) -> Database:
    match = URL.match(named.default or "")
    if match and "postgres" not in served:
        return Database(
            engine="sqlite", place=named.place, variable=named.name, scheme=f"sqlite{match[2]}" if match[2] else ""
        )
    if packages & MYSQL:
        return Database(engine="mysql", place=named.place, variable=named.name)
    if packages & POSTGRES or "postgres" in served:
        return Database(engine="postgres", place=named.place, variable=named.name)
    scheme = seen[1] if seen is not None else ""
    return Database(engine="sqlite", place=named.place, variable=named.name, scheme=scheme)


def _by_path(code: Code, variables: list[Variable]) -> Database | None:
    opened = next(
        (
            module.place(call)
            for module in code.modules
            for call in calls(module.tree)
            if code.canonical(module.full(call.func)) in ("sqlite3.connect", "aiosqlite.connect")
        ),
        None,
    )
    if opened is None:
        return None
    by_path = next((item for item in variables if PATHS.search(item.name)), None)
    if by_path is not None:
        return Database(engine="sqlite", place=by_path.place, variable=by_path.name, part="path")
    return Database(engine="sqlite", place=opened, variable="DATABASE_PATH", part="path", fixed=True)


def _sqlite_urls(code: Code) -> Iterator[tuple[Place, str]]:
    for module in code.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                match = URL.match(node.value)
                if match and ":memory:" not in node.value:
                    yield module.place(node), f"sqlite{match[2]}" if match[2] else ""


def _of_django(code: Code, django: Django, variables: list[Variable]) -> Iterator[Database]:
    for module, value in database_values(django):
        engine = code.string(entry(value, "ENGINE")) or ""
        name = entry(value, "NAME")
        if engine.endswith("sqlite3"):
            yield _django_sqlite(module, value, name, variables)
        elif "postgres" in engine or "mysql" in engine:
            kind = "postgres" if "postgres" in engine else "mysql"
            yield Database(engine=kind, place=module.place(value), variable="", fixed=True)
        else:
            by_url = next((item for item in variables if NAMED.search(item.name)), None)
            if by_url is not None:
                sqlite = (by_url.default or "").startswith("sqlite")
                yield Database(
                    engine="sqlite" if sqlite else "postgres", place=module.place(value), variable=by_url.name
                )


def _django_sqlite(module: Module, value: ast.expr, name: ast.expr | None, variables: list[Variable]) -> Database:
    known = {item.name for item in variables}
    texts = [node.value for node in ast.walk(name) if isinstance(node, ast.Constant)] if name is not None else []
    read = next((text for text in texts if isinstance(text, str) and text in known), "")
    place = module.place(name if name is not None else value)
    return Database(engine="sqlite", place=place, variable=read or "DATABASE_PATH", part="path", fixed=not read)


def find_migration(
    repository: Repository,
    django: Django | None,
    context: str,
    packages: frozenset[str],
    app: App | None,
    elsewhere: tuple[str, ...],
) -> Migration | None:
    """Return the command that migrates, and what it is known by."""
    at = "" if context == "." else f"{context}/"
    if django is not None and django.manage is not None:
        made = next((name for name in repository.below(context) if re.search(r"/migrations/0\d*_\w+\.py$", name)), None)
        command = f"python {django.manage.removeprefix(at)} migrate --noinput"
        return Migration(command=command, place=Place(made or django.manage))
    others = tuple(f"{place}/" for place in elsewhere)
    inis = [name for name in repository.below(context) if name.rpartition("/")[2] == "alembic.ini"]
    found = [name for name in inis if not is_aside(name) and not name.startswith(others)]
    if not found:
        return None
    ini = found[0].removeprefix(at)
    if "flask-migrate" in packages:
        named = f"--app {app.module}:{app.name} " if app is not None and app.name else ""
        return Migration(command=f"flask {named}db upgrade", place=Place(found[0]))
    command = "alembic upgrade head" if ini == "alembic.ini" else f"alembic -c {ini} upgrade head"
    return Migration(command=command, place=Place(found[0]))
