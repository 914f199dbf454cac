"""Which schema a release expects: the heads of its migrations, read from its files; nothing of them is run."""

import shlex
from typing import NamedTuple

from lading.build.alembic_files import read_alembic
from lading.build.django_files import read_django
from lading.build.entries import Tree, below
from lading.build.graph import Graph
from lading.model.errors import LadingError
from lading.model.manifest import Database, Manifest
from lading.model.release import Migrations


class Heads(NamedTuple):
    """Heads and all revisions by database, for those whose tool is known."""

    heads: dict[str, tuple[str, ...]]
    migrations: dict[str, Migrations]


def find_heads(manifest: Manifest, tree: Tree) -> Heads:
    """Read the heads of every database that is migrated by Alembic or Django; raise ``migration-heads`` for several.

    What cannot be read from files alone is left out: a rehearsal on a copy of the data shows what it does.
    """
    heads: dict[str, tuple[str, ...]] = {}
    migrations: dict[str, Migrations] = {}
    for name, database in manifest.databases.items():
        graph = _graph(manifest, database, tree)
        if graph is None or not graph.heads:
            continue
        if graph.forks:
            raise _several(name, graph)
        heads[name] = graph.heads
        migrations[name] = Migrations(tool=graph.tool, revisions=graph.revisions)
    return Heads(heads, migrations)


def _graph(manifest: Manifest, database: Database, tree: Tree) -> Graph | None:
    try:
        words = shlex.split(database.migrate or "")
    except ValueError:
        return None
    build = manifest.build.get(database.build or next(iter(manifest.build), ""))
    if not words or build is None:
        return None
    context = below(tree, build.context)
    return read_alembic(words, context, manifest.env) or read_django(words, context)


def _several(name: str, graph: Graph) -> LadingError:
    return LadingError(
        "migration-heads",
        doing=f"reading the migrations of databases.{name}",
        happened=f"they end in several heads: {', '.join(graph.forks)}",
        now="no release was made",
        hint=f"{graph.merge}, commit what it writes, then release again",
    )
