"""Django's migrations, from the ``migrations`` packages of the project's own apps."""

import ast
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lading.build.entries import Tree
from lading.build.graph import Graph, assigned, parsed, texts

MERGE = "python manage.py makemigrations --merge"


class _Migration(NamedTuple):
    app: str
    name: str
    follows: frozenset[str]
    replaces: frozenset[str]


def read_django(words: Sequence[str], tree: Tree) -> Graph | None:
    """Return the graph of what ``manage.py migrate`` would bring up; None where that is not what the words do.

    Only apps whose files are the project's own are looked at; those of libraries come with what is installed.
    """
    if not _migrates(words):
        return None
    apps: defaultdict[str, list[_Migration]] = defaultdict(list)
    for migration in _migrations(tree):
        apps[migration.app].append(migration)
    leaves = {app: _leaves(found) for app, found in apps.items()}
    forks = [f"{app}.{name}" for app in sorted(leaves) if len(leaves[app]) > 1 for name in leaves[app]]
    heads = tuple(f"{app}.{name}" for app in sorted(leaves) for name in leaves[app])
    found = (migration for group in apps.values() for migration in group)
    revisions = {f"{one.app}.{name}" for one in found for name in (one.name, *one.replaces)}
    return Graph("django", heads, tuple(sorted(revisions)), tuple(forks), MERGE)


def _migrates(words: Sequence[str]) -> bool:
    rest = list(words)
    if re.fullmatch(r"(.*/)?python[0-9.]*", rest[0]):
        rest = rest[2:] if rest[1:2] == ["-m"] and rest[2:3] == ["django"] else rest[1:]
        if rest[:1] == ["django"]:
            rest = rest[1:]
            return rest[:1] == ["migrate"]
    if not rest or posixpath.basename(rest[0]) not in ("manage.py", "django-admin", "django-admin.py"):
        return False
    return rest[1:2] == ["migrate"]


def _migrations(tree: Tree) -> Iterator[_Migration]:
    for path, entry in sorted(tree.items()):
        folder, _, file = path.rpartition("/")
        name = file.removesuffix(".py")
        is_one = posixpath.basename(folder) == "migrations" and name != file and name[0] not in "_~"
        module = parsed(entry) if is_one and f"{folder}/__init__.py" in tree else None
        if module is not None:
            yield from _in_module(module, _label(tree, posixpath.dirname(folder)), name)


def _in_module(module: ast.Module, app: str, name: str) -> Iterator[_Migration]:
    for part in module.body:
        if isinstance(part, ast.ClassDef) and part.name == "Migration":
            values = assigned(part.body)
            follows = frozenset(_named(values.get("dependencies"), app))
            yield _Migration(app, name, follows, frozenset(_named(values.get("replaces"), app)))


def _label(tree: Tree, folder: str) -> str:
    """Return an app's label: what its configuration says, else the name of its directory."""
    entry = tree.get(f"{folder}/apps.py" if folder else "apps.py")
    module = parsed(entry) if entry is not None else None
    for part in module.body if module is not None else ():
        if isinstance(part, ast.ClassDef):
            for label in texts(assigned(part.body).get("label")):
                return label
    return posixpath.basename(folder)


def _named(value: ast.expr | None, app: str) -> Iterator[str]:
    """Yield the names of an app's own migrations in a list of pairs, whatever else the list is made of."""
    for part in ast.walk(value) if value is not None else ():
        if isinstance(part, ast.Tuple) and len(part.elts) == 2:
            pair = tuple(texts(part))
            if len(pair) == 2 and pair[0] == app:
                yield pair[1]


def _leaves(found: list[_Migration]) -> list[str]:
    """Return the migrations of one app that no other follows; one that was squashed stands for its squash."""
    squashes = {name: migration.name for migration in found for name in migration.replaces}
    names = {migration.name for migration in found if migration.name not in squashes}
    followed = {
        squashes.get(name, name)
        for migration in found
        if migration.name not in squashes
        for name in migration.follows
        if squashes.get(name, name) != migration.name
    }
    return sorted(names - followed)
