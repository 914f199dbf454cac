"""Lays a manifest out: keys aligned, and beside each the reason for its value."""

import json
from collections.abc import Iterable

import msgspec

COLUMN = 40  # where comments begin, unless a table is wider
WIDEST = 56  # characters of a line that others of its table are aligned with
LONGEST = 118  # characters of a line


class Row(msgspec.Struct, frozen=True):
    """A key with its value in TOML and the reason for it. Without a key, the reason is a comment of its own.

    ``off`` writes the key as a comment, for people to switch on.
    """

    key: str
    value: str
    reason: str = ""
    off: bool = False


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A table: its header such as ``[services.web]``, the reason for it, and its keys."""

    header: str
    rows: tuple[Row, ...] = ()
    reason: str = ""
    above: tuple[str, ...] = ()


def text(value: str) -> str:
    """Write a text as TOML; what no terminal shows is left out."""
    return json.dumps("".join(char for char in value if char.isprintable()), ensure_ascii=False)


def inline(pairs: Iterable[tuple[str, str]]) -> str:
    """Write a table in one line."""
    return "{ " + ", ".join(f"{key} = {value}" for key, value in pairs) + " }"


def rendered(blocks: Iterable[Block]) -> str:
    """Return the text of all blocks, a blank line between them."""
    return "\n".join("".join(f"{line}\n" for line in _lines(block)) for block in blocks)


def _lines(block: Block) -> list[str]:
    lines = [f"# {_plain(line)}".rstrip() for line in block.above]
    if block.header:
        lines.append(_beside(block.header, block.reason, COLUMN) if block.reason else block.header)
    width = max((len(row.key) for row in block.rows if row.value), default=0)
    written = [(_written(row, width), row) for row in block.rows]
    column = max([COLUMN, *(len(line) + 2 for line, row in written if len(line) <= WIDEST and row.reason)])
    for line, row in written:
        if not line:
            lines += _wrapped(row.reason)
        elif max(len(line) + 2, column) + len(row.reason) + 2 <= LONGEST:
            lines.append(_beside(line, row.reason, max(len(line) + 2, column)))
        else:
            indent = line[: len(line) - len(line.lstrip())]
            lines += [*(indent + above for above in _wrapped(row.reason)), line]
    return lines


def _written(row: Row, width: int) -> str:
    if not row.key:
        return ""
    line = f"{row.key.ljust(width)} = {row.value}" if row.value else row.key
    return f"# {line}" if row.off else line


def _beside(line: str, reason: str, column: int) -> str:
    return f"{line.ljust(column)} # {_plain(reason)}" if reason else line


def _wrapped(reason: str) -> list[str]:
    lines, current = [], "#"
    for word in _plain(reason).split():
        if len(current) + len(word) + 1 > LONGEST:
            lines.append(current)
            current = "#"
        current += f" {word}"
    return [*lines, current] if reason else []


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
