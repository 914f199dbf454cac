"""Keep secrets out of artifacts: what gives one away is refused, and never printed."""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

from lading.build.entries import Tree
from lading.model.errors import LadingError
from lading.model.secret import Secret

# Shorter values occur in ordinary files by chance.
SHORTEST_SECRET = 6  # characters
MOST_LISTED = 20
HARMLESS = (".example", ".sample", ".template", ".dist")

PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:\s|\\[nr])+(?:[A-Za-z-]+: [^\r\n]*\s+)*[A-Za-z0-9+/=]{16}"
    rb"|AGE-SECRET-KEY-1[0-9A-Z]{50}"
    rb"|PuTTY-User-Key-File-\d: "
)


def find_leaks(tree: Tree, secrets: Collection[Secret]) -> list[str]:
    """Return one line ``path:line  what`` for every environment file, private key and known secret value in a tree."""
    values = secret_bytes(secrets)
    found: list[str] = []
    for name in sorted(tree):
        if is_environment_file(name):
            found.append(f"{name}  an environment file")
        elif tree[name].target is None:
            found += _in_content(name, tree[name].read(), values)
    return found


def find_values(tree: Tree, secrets: Iterable[Secret]) -> list[str]:
    """Return one line for every file of a tree whose name or content holds a known secret value."""
    values = secret_bytes(secrets)
    found: list[str] = []
    for name in sorted(tree) if values else ():
        found += _values_in(name, tree[name].read(), values)
        if any(value in name.encode(errors="surrogateescape") for value in values):
            found.append("a file whose name holds the value of a known secret")
    return found


def is_environment_file(name: str) -> bool:
    """Tell whether a file is one that holds an environment's variables (``.env``, ``.env.local``), not a sample."""
    last = PurePosixPath(name).name.lower()
    return (last == ".env" or last.startswith(".env.")) and not last.endswith(HARMLESS)


def secret_bytes(secrets: Iterable[Secret]) -> list[bytes]:
    """Return the values worth searching for, as they would stand in a file."""
    values = {secret.reveal() for secret in secrets}
    return [value.encode() for value in sorted(values) if len(value) >= SHORTEST_SECRET]


def _in_content(name: str, data: bytes, values: Collection[bytes]) -> list[str]:
    key = PRIVATE_KEY.search(data)
    own = [f"{name}:{_line(data, key.start())}  a private key"] if key else []
    return own + _values_in(name, data, values)


def _values_in(name: str, data: bytes, values: Collection[bytes]) -> list[str]:
    places = [place for value in values if (place := data.find(value)) >= 0]
    return [f"{name}:{_line(data, place)}  the value of a known secret" for place in sorted(places)]


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def refuse_leaks(doing: str, leaks: Collection[str]) -> None:
    """Raise ``secret-in-source`` naming every place; quiet when there is none."""
    if not leaks:
        return
    listed = tuple(leaks)[:MOST_LISTED]
    more = (f"and {len(leaks) - MOST_LISTED} more",) if len(leaks) > MOST_LISTED else ()
    raise LadingError(
        "secret-in-source",
        doing=doing,
        happened=f"{len(leaks)} place{'' if len(leaks) == 1 else 's'} would carry a secret into the artifact",
        now="no release was made",
        hint="remove them from the commit (git rm --cached FILE) and replace what was exposed; "
        "a file that only tests need is left out by a line 'PATH export-ignore' in .gitattributes",
        details=(*listed, *more),
    )
