"""Where a key stands in the text: tree-sitter keeps the places that the standard library's reader drops."""

import tomllib
from collections.abc import Iterator
from typing import NamedTuple

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from lading.manifest.problems import Path

_KEYS = ("bare_key", "quoted_key", "dotted_key")
# Nothing in the grammar lies deeper; below it the nearest known table is place enough.
_DEEPEST = 24


class Place(NamedTuple):
    """A line and a column, both counted from 1; columns count characters."""

    line: int
    column: int


class Places:
    """Look up where keys and values of one TOML text stand.

    Reading never fails: of a text with syntax errors it knows what the parser could make out. ``repeated`` lists
    the keys and tables that are written down a second time.
    """

    def __init__(self, text: str) -> None:
        self.repeated: list[tuple[Path, Place]] = []
        self._lines = text.encode().split(b"\n")
        self._keys: dict[Path, Place] = {}
        self._values: dict[Path, Place] = {}
        self._entries: dict[Path, int] = {}
        self._declared: set[Path] = set()
        root = Parser(Language(tree_sitter_toml.language())).parse(text.encode()).root_node
        self._read_pairs([((), node) for node in root.children if node.type == "pair"])
        for node in root.children:
            if node.type in ("table", "table_array_element"):
                self._read_table(node)

    def key(self, path: Path) -> Place:
        """Return where the key stands, or the nearest table around it that is written down."""
        return self._nearest(path, self._keys)

    def value(self, path: Path) -> Place:
        """Return where the key's value stands; for a table its header; else the nearest table around it."""
        return self._nearest(path, self._values)

    def _nearest(self, path: Path, known: dict[Path, Place]) -> Place:
        for length in range(len(path), 0, -1):
            place = known.get(path[:length]) or self._keys.get(path[:length])
            if place is not None:
                return place
        return Place(1, 1)

    def _read_table(self, node: Node) -> None:
        header = next((child for child in node.children if child.type in _KEYS), None)
        if header is None:
            return
        names = list(_parts(header))[:_DEEPEST]
        path: Path = ()
        for name, part in names[:-1]:
            path = (*path, name)
            self._keys.setdefault(path, self._place(part))
            # A header below ``[[table]]`` means that table's latest entry.
            path = (*path, self._entries[path] - 1) if path in self._entries else path
        path = (*path, names[-1][0])
        place = self._place(names[-1][1])
        self._keys.setdefault(path, place)
        if node.type == "table_array_element":
            index = self._entries.get(path, 0)
            self._entries[path] = index + 1
            path = (*path, index)
            self._keys[path] = place
        elif path in self._declared or path in self._values:
            self.repeated.append((path, place))
        self._declared.add(path)
        self._read_pairs([(path, child) for child in node.children if child.type == "pair"])

    def _read_pairs(self, pending: list[tuple[Path, Node]]) -> None:
        # A stack of its own: a hostile text nests deeper than Python's. Reversed, so that the first comes first.
        pending.reverse()
        while pending:
            path, node = pending.pop()
            if len(path) >= _DEEPEST:
                continue
            if node.type == "pair":
                pending.extend(self._read_pair(path, node))
            elif node.type == "inline_table":
                pending.extend((path, child) for child in reversed(node.children) if child.type == "pair")
            elif node.type == "array":
                items = [child for child in node.children if child.is_named and child.type != "comment"]
                for index, item in enumerate(items):
                    self._values.setdefault((*path, index), self._place(item))
                    pending.append(((*path, index), item))

    def _read_pair(self, path: Path, node: Node) -> list[tuple[Path, Node]]:
        named = [child for child in node.children if child.is_named and child.type != "comment"]
        if len(named) < 2:
            return []
        for name, part in list(_parts(named[0]))[:_DEEPEST]:
            path = (*path, name)
            self._keys.setdefault(path, self._place(part))
        if path in self._values:
            self.repeated.append((path, self._place(named[0])))
            return []
        self._values[path] = self._place(named[1])
        return [(path, named[1])]

    def _place(self, node: Node) -> Place:
        row, byte = node.start_point
        line = self._lines[row] if row < len(self._lines) else b""
        return Place(row + 1, len(line[:byte].decode(errors="replace")) + 1)


def _parts(node: Node) -> Iterator[tuple[str, Node]]:
    """Give the names of a possibly dotted key from left to right; the parser nests them to the left."""
    found: list[Node] = []
    while node.type == "dotted_key":
        inner = [child for child in node.children if child.type in _KEYS]
        if len(inner) < 2:
            break
        found.append(inner[1])
        node = inner[0]
    found.append(node)
    for part in reversed(found):
        yield _name(part), part


def _name(node: Node) -> str:
    text = (node.text or b"").decode(errors="replace")
    if node.type != "quoted_key":
        return text
    try:
        return str(tomllib.loads(f"x = {text}")["x"])
    except ValueError:
        return text
