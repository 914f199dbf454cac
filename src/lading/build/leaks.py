"""Keep secrets out of artifacts: what gives one away is refused, and never printed."""

import re
import tarfile
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from lading.build.entries import Tree
from lading.model.errors import LadingError
from lading.model.placeholders import placeholder
from lading.model.secret import Secret

# Shorter values occur in ordinary files by chance.
SHORTEST_SECRET = 6  # characters
MOST_LISTED = 20
_OF_PACKAGES = frozenset({"site-packages", "dist-packages", "node_modules"})
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


def find_layer_leaks(layers: Iterable[Path], config: bytes, secrets: Collection[Secret]) -> list[str]:
    """Return one line for every environment file and known secret value in the layers (tars) of an image.

    What packages bring along (``.env`` samples among their tests) is theirs; a value is looked for everywhere, in the
    image's configuration too.
    """
    values = secret_bytes(secrets)
    found = [f"the image's configuration  {what}" for what in _values_in("", config, values)]
    for path in layers:
        with tarfile.open(path) as tar:
            for member in tar:
                found += _in_member(tar, member, values)
    return found


def _in_member(tar: tarfile.TarFile, member: tarfile.TarInfo, values: Collection[bytes]) -> list[str]:
    if not member.isreg():
        return []
    if is_environment_file(member.name) and not _OF_PACKAGES.intersection(member.name.split("/")):
        return [f"/{member.name}  an environment file"]
    file = tar.extractfile(member) if values else None
    return _values_in(f"/{member.name}", file.read(), values) if file is not None else []


def is_environment_file(name: str) -> bool:
    """Tell whether a file is one that holds an environment's variables (``.env``, ``.env.local``), not a sample."""
    last = PurePosixPath(name).name.lower()
    return (last == ".env" or last.startswith(".env.")) and not last.endswith(HARMLESS)


def secret_bytes(secrets: Iterable[Secret]) -> list[bytes]:
    """Return the values worth searching for, as they would stand in a file.

    Words that every example uses are none: whoever set one locally would find it in half of the source.
    """
    values = {secret.reveal() for secret in secrets}
    return [
        value.encode()
        for value in sorted(values)
        if len(value) >= SHORTEST_SECRET and not placeholder("", value, "production")
    ]


def _in_content(name: str, data: bytes, values: Collection[bytes]) -> list[str]:
    key = PRIVATE_KEY.search(data)
    own = [f"{name}:{_line(data, key.start())}  a private key"] if key else []
    return own + _values_in(name, data, values)


def _values_in(name: str, data: bytes, values: Collection[bytes]) -> list[str]:
    places = [place for value in values if (place := data.find(value)) >= 0]
    return [f"{name}:{_line(data, place)}  the value of a known secret" for place in sorted(places)]


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


IN_SOURCE = (
    "remove them from the commit (git rm --cached FILE) and replace what was exposed; "
    "a file that only tests need is left out by a line 'PATH export-ignore' in .gitattributes"
)


def refuse_leaks(doing: str, leaks: Collection[str], hint: str = IN_SOURCE) -> None:
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
        hint=hint,
        details=(*listed, *more),
    )
