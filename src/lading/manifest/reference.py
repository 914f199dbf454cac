"""The reference of lading.toml, written from the table of keys.

Run as ``python -m lading.manifest.reference docs/manifest.md`` to write it, without an argument to print it.
"""

import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from lading.manifest.grammar import MANIFEST
from lading.manifest.kinds import Duration, Kind, say_seconds
from lading.manifest.tables import Either, Key, ListOf, MapOf, Table
from lading.manifest.unsupported import RULES

_HEAD = """\
# lading.toml

This page is written by `python -m lading.manifest.reference docs/manifest.md` from the very table of keys that
checks a manifest. A key that is not listed here is refused. So is, by name, one marked **Not yet**: the grammar knows
it, this version does not carry it out; what to do instead follows.

- **Durations** are numbers of seconds or texts such as `"500ms"`, `"30s"`, `"10m"`, `"1h30m"`, `"7d"`.
- **Sizes** are numbers of bytes or texts such as `"512MB"` (thousands) and `"1GiB"` (1024).
- **Commands** are split like a shell does, but no shell runs them. A service with a port is told where to listen by
  the variables `PORT` and `HOST`, and `{port}` and `{host}` in its command stand for the same. So does the variable of
  a volume or of an SQLite database: `--folder {DATA_DIR}`.
- **Secrets** are named, never written down. `{{NAME}}` stands for one in smoke steps only.
- A table of environment variables holds texts. Where one variable is set in several places, the environment's goes
  before the service's or job's, and that before the project's.

## An annotated example

```toml
"""


def reference() -> str:
    """Return the whole page as Markdown."""
    titles: dict[int, list[str]] = {}
    tables: dict[int, Table] = {}
    for title, table in _sections("", MANIFEST):
        titles.setdefault(id(table), []).append(title)
        tables[id(table)] = table
    sections = [_section(titles[key], table) for key, table in tables.items()]
    return "".join([_HEAD, example(), "```\n", *sections])


def example() -> str:
    """Return the annotated example manifest."""
    return resources.files("lading.manifest").joinpath("example.toml").read_text(encoding="utf-8")


def keys() -> Iterator[tuple[str, Key]]:
    """Give every key of the grammar with its path, as ``services.NAME.ready.path``."""
    for title, table in _sections("", MANIFEST):
        for key in table.keys.values():
            yield (f"{title}.{key.name}" if title else key.name), key


def _sections(path: str, table: Table) -> Iterator[tuple[str, Table]]:
    yield path, table
    for key in table.keys.values():
        here = f"{path}.{key.name}" if path else key.name
        for inner, label in _tables(key.kind):
            yield from _sections(here + label, inner)


def _tables(kind: Kind) -> Iterator[tuple[Table, str]]:
    """Give the tables inside a kind, with what stands between them and the key."""
    if isinstance(kind, Table):
        yield kind, ""
    elif isinstance(kind, Either):
        yield kind.table, ""
    elif isinstance(kind, MapOf | ListOf):
        label = f".{kind.label}" if isinstance(kind, MapOf) else "[]"
        for table, rest in _tables(kind.item):
            yield table, label + rest


def _section(titles: list[str], table: Table) -> str:
    """Write a table's keys; ``titles`` are all the places where this very table may stand."""
    first = titles[0]
    lines = [f"\n## {f'`{first}`' if first else 'The top level'}\n"]
    if len(titles) > 1:
        lines.append(f"\nThe same keys: {', '.join(f'`{title}`' for title in titles[1:])}.\n")
    if _refusal(first):
        lines.append(f"\n{_refusal(first)}\n")
    lines.append("\n| key | value | default | meaning | example |\n|---|---|---|---|---|\n")
    lines += [_row(first, key, _default(key, table.model)) for key in table.keys.values()]
    return "".join(lines)


def _row(title: str, key: Key, default: str) -> str:
    refusal = _refusal(f"{title}.{key.name}" if title else key.name)
    meaning = f"{key.meaning} {refusal}".rstrip()
    cells = (f"`{key.name}`", key.kind.name, default, meaning, f"`{key.example}`")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _refusal(path: str) -> str:
    pattern = ".".join("*" if part.isupper() else part for part in path.split("."))
    rule = next((rule for rule in RULES if rule.key == pattern), None)
    if rule is None:
        return ""
    if rule.of_bundles:
        return f"For images; refused {rule.scope}: {rule.remedy}."
    scope = f" ({rule.scope})" if rule.scope else ""
    return f"**Not yet**{scope}: {rule.remedy}."


def _default(key: Key, model: type | None) -> str:
    if key.required:
        return "**required**"
    if key.default:
        return key.default
    value = _model_default(key, model)
    if value is None or value in ((), {}, "") or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(key.kind, Duration):
        return f'`"{say_seconds(value).replace(" ", "")}"`'
    if isinstance(value, tuple):
        return f"`{list(value) if len(value) > 1 else value[0]}`"
    return f"`{msgspec.json.encode(value).decode()}`"


def _model_default(key: Key, model: type | None) -> Any:
    if model is None or not issubclass(model, msgspec.Struct):
        return None
    field = next((field for field in msgspec.structs.fields(model) if field.name == key.field), None)
    return None if field is None or field.default is msgspec.NODEFAULT else field.default


def main() -> None:
    """Write the page to the file that is named, or to the standard output."""
    page = reference()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main()
