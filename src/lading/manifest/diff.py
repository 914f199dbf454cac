"""What differs between two manifests, in their meaning: order, comments and ways of writing do not count."""

from typing import Any

from lading.manifest.advice import looks_secret
from lading.manifest.problems import Path, dotted, show
from lading.model import typed
from lading.model.canonical import canonical_json
from lading.model.manifest import Manifest
from lading.model.secret import MASK

_ABSENT = object()


def diff(a: Manifest, b: Manifest) -> list[str]:
    """Return one line for each key that differs, sorted: ``~ services.web.port  8000 → 9000``, ``+ …``, ``- …``.

    Values that look like secrets are masked. Durations are in seconds, sizes in bytes.
    """
    before, after = _flat(a), _flat(b)
    inner = {path[:length] for path in (*before, *after) for length in range(1, len(path))}
    lines = []
    for path in sorted(before.keys() | after.keys(), key=dotted):
        old, new = before.get(path, _ABSENT), after.get(path, _ABSENT)
        # An empty table that the other side fills is told by what fills it.
        if path not in inner and (old != new or type(old) is not type(new)):
            lines.append(_line(path, old, new))
    return lines


def _line(path: Path, old: Any, new: Any) -> str:
    if old is _ABSENT:
        return f"+ {dotted(path)}  {_shown(path, new)}"
    if new is _ABSENT:
        return f"- {dotted(path)}  {_shown(path, old)}"
    return f"~ {dotted(path)}  {_shown(path, old)} → {_shown(path, new)}"


def _shown(path: Path, value: Any) -> str:
    if isinstance(value, str) and looks_secret(str(path[-1]), value):
        return MASK
    return show(value)


def _flat(manifest: Manifest) -> dict[Path, Any]:
    """Return the manifest's single values by path; smoke steps go by their names, empty tables count as values."""
    plain = typed.plain(canonical_json(manifest))
    if "smoke" in plain:
        plain["smoke"] = {step["name"]: step for step in plain["smoke"]}
    flat: dict[Path, Any] = {}
    pending: list[tuple[Path, Any]] = [((), plain)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict) and value:
            pending.extend(((*path, name), item) for name, item in value.items())
        elif isinstance(value, list) and value:
            pending.extend(((*path, index), item) for index, item in enumerate(value))
        else:
            flat[path] = value
    return flat
