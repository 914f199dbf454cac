"""Migrations as a graph, and how values are read from Python files without running them."""

import ast
from collections.abc import Iterator
from typing import Literal, NamedTuple

from lading.build.entries import Entry

LARGEST = 4 << 20  # bytes of a file that is looked at: no migration is longer


class Graph(NamedTuple):
    """What a tool's files say: the heads, every revision, both sorted; ``forks`` are heads where one should be.

    ``merge`` is the command that makes one of them.
    """

    tool: Literal["alembic", "django"]
    heads: tuple[str, ...]
    revisions: tuple[str, ...]
    forks: tuple[str, ...] = ()
    merge: str = ""


def parsed(entry: Entry) -> ast.Module | None:
    """Return the syntax tree of a Python file; None for what is none."""
    if entry.target is not None or entry.size > LARGEST:
        return None
    try:
        return ast.parse(entry.read())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def assigned(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """Return the values that are given to names in a block, at its top."""
    found: dict[str, ast.expr] = {}
    for statement in body:
        if isinstance(statement, ast.Assign):
            found |= {target.id: statement.value for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            found[statement.target.id] = statement.value
    return found


def texts(value: ast.expr | None) -> Iterator[str]:
    """Yield the text a value is, or those of the list, tuple or set it is."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.List | ast.Tuple | ast.Set):
        for item in value.elts:
            yield from texts(item)
