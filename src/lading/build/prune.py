"""Removing what nobody may return to, without ever removing half of something that keeps its name."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

from lading.build.index import Descriptor, Index
from lading.build.laid import remove_tree
from lading.build.partial import SUFFIX as PARTIAL

# Under way or left by a crash; a transfer touches its file all the time, so an old one is left over.
ABANDONED = 3600.0  # seconds
# The half of a blob, kept for a sender that was cut off and comes back.
UNFINISHED = 24 * 3600.0  # seconds
SBOM_ANNOTATION = "dev.lading.sbom"


class _Places(Protocol):
    @property
    def blobs(self) -> Path: ...
    @property
    def layers(self) -> Path: ...


def prune(places: _Places, index: Index, keep: Collection[str], *, before: float) -> int:
    """Remove blobs, layers and index entries that ``keep`` does not name and that are older than ``before``.

    ``before`` is in seconds since the epoch. A manifest stays as long as all its layers do, and keeps its
    configuration and bill of materials. Return the bytes freed.
    """
    named = frozenset(keep)
    manifests = index.keep(lambda entry: _stays(places.blobs, entry, named, before))
    wanted = named.union(*(_named(places.blobs, entry) for entry in manifests))
    freed = sum(_prune_blob(path, wanted, before) for path in sorted(places.blobs.iterdir()))
    return freed + sum(_prune_layer(path, wanted, before) for path in sorted(places.layers.iterdir()))


def _read(blobs: Path, digest: str) -> Descriptor:
    content: Descriptor = json.loads((blobs / digest.removeprefix("sha256:")).read_bytes())
    return content


def _stays(blobs: Path, entry: Descriptor, wanted: Collection[str], before: float) -> bool:
    path = blobs / str(entry["digest"]).removeprefix("sha256:")
    if not path.exists():
        return False
    if path.stat().st_mtime > before:
        return True
    return all(layer["digest"] in wanted for layer in _read(blobs, entry["digest"])["layers"])


def _named(blobs: Path, entry: Descriptor) -> set[str]:
    manifest = _read(blobs, entry["digest"])
    named = {entry["digest"], manifest["config"]["digest"]}
    return named | {value for key, value in manifest.get("annotations", {}).items() if key == SBOM_ANNOTATION}


def _prune_blob(path: Path, wanted: Collection[str], before: float) -> int:
    limit = before - {".new": ABANDONED, PARTIAL: UNFINISHED}.get(path.suffix, 0.0)
    status = path.stat()
    if f"sha256:{path.name}" in wanted or status.st_mtime > limit:
        return 0
    path.unlink()
    return status.st_size


def _prune_layer(path: Path, wanted: Collection[str], before: float) -> int:
    name = path.name.removesuffix(".json").removesuffix(".python")
    if name.startswith("."):
        return _remove_old(path, before - ABANDONED)
    inventory = path.with_name(f"{name}.json")
    newest = inventory.stat().st_mtime if inventory.exists() else 0.0
    if f"sha256:{name}" in wanted or newest > before:
        return 0
    if path.is_dir():
        return _remove_tree(path)
    # The tree sorts before its notes and went first; while it is there, they stay.
    return 0 if path.with_name(name).exists() else _remove_file(path)


def _remove_old(path: Path, before: float) -> int:
    if path.lstat().st_mtime > before:
        return 0
    return _remove_tree(path) if path.is_dir() else _remove_file(path)


def _remove_tree(path: Path) -> int:
    size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())
    gone = path if path.name.startswith(".") else path.with_name(f".{path.name[:12]}.old")
    if gone != path:
        remove_tree(gone)
        path.rename(gone)
    remove_tree(gone)
    return size


def _remove_file(path: Path) -> int:
    size = path.lstat().st_size
    path.unlink()
    return size
