"""Which packages an environment is made of: a uv.lock or a requirements file, checked to be pinned."""

import hashlib
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from posixpath import basename, dirname, join
from typing import NamedTuple

from lading.build.disk import write_whole
from lading.build.entries import Tree, write_tree
from lading.build.errors import build_failed
from lading.build.pins import Pin, read_pins, refuse_unpinned
from lading.build.uvtool import Uv, uv_version
from lading.model.canonical import digest_of
from lading.model.errors import LadingError
from lading.model.secret import Secret

UV_LOCK = "uv.lock"
LOCK_COMMAND = "uv lock, then commit uv.lock"
SETTINGS = ("pyproject.toml", "uv.toml")
EXPORT = ("--frozen", "--no-emit-project", "--no-dev", "--no-annotate", "--no-header")


class Locked(NamedTuple):
    """Pinned requirements: the files by path, the one to install from, and the pins they hold.

    ``settings`` are files that tell uv where packages come from; with hashes they cannot change what is installed,
    so they are no part of the digest.
    """

    main: str
    files: dict[str, str]
    pins: tuple[Pin, ...]
    settings: dict[str, str]

    @property
    def digest(self) -> str:
        """Return the digest of all the files."""
        return digest_of({"main": self.main, "files": self.files})


class Place(NamedTuple):
    """Where a build may work: a cache that lasts, a directory for this build alone, secrets to mask."""

    cache: Path
    work: Path
    secrets: Collection[Secret]


def read_lock(bundle: str, tree: Tree, place: Place) -> Locked:
    """Return what the build's lock or requirements file pins.

    Raise ``unpinned`` for lines that are not pinned by version and hash and for a lock that does not match its
    pyproject.toml, ``build-failed`` when a file is missing.
    """
    if bundle not in tree:
        raise _missing(bundle)
    if basename(bundle) == UV_LOCK:
        return _from_uv_lock(bundle, tree, place)
    texts = _Texts(tree)
    pins, offending, files = read_pins(bundle, texts.get)
    refuse_unpinned(f"reading {bundle}", bundle, offending)
    return Locked(bundle, {name: texts[name] for name in files}, tuple(pins), {})


class _Texts:
    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def get(self, name: str) -> str | None:
        entry = self._tree.get(name)
        return entry.read().decode(errors="replace") if entry is not None else None

    def __getitem__(self, name: str) -> str:
        return self.get(name) or ""


def _missing(bundle: str) -> LadingError:
    if basename(bundle) == UV_LOCK:
        hint = LOCK_COMMAND
    else:
        hint = f"uv pip compile --generate-hashes {bundle.removesuffix('.txt')}.in -o {bundle}, then commit it"
    return build_failed(f"reading {bundle}", "the commit has no such file", hint=hint)


def _from_uv_lock(bundle: str, tree: Tree, place: Place) -> Locked:
    project = join(dirname(bundle), "pyproject.toml")
    if project not in tree:
        raise build_failed(
            f"reading {bundle}",
            f"the commit has no {project} beside it",
            hint=f"commit {project}, or name a pinned requirements file as bundle",
        )
    exported = _exported(bundle, tree, place)
    pins, offending, _ = read_pins(bundle, {bundle: exported}.get)
    refuse_unpinned(
        f"reading {bundle}",
        bundle,
        # The places are those of the exported text, which nobody sees.
        [line.partition("  ")[2] for line in offending],
        hint="depend on a published version instead, or commit the local package into the source",
    )
    beside = [join(dirname(bundle), name) for name in SETTINGS]
    settings = {basename(name): tree[name].read().decode(errors="replace") for name in beside if name in tree}
    return Locked("requirements.txt", {"requirements.txt": exported}, tuple(pins), settings)


def _exported(bundle: str, tree: Tree, place: Place) -> str:
    """Return the lock as requirements; uv is only asked when the lock or a pyproject.toml changed."""
    described = {name: hashlib.sha256(tree[name].read()).hexdigest() for name in tree if _matters(name, bundle)}
    key = digest_of({"files": described, "bundle": bundle, "uv": uv_version()}).removeprefix("sha256:")
    path = place.cache / "locks" / f"{key}.txt"
    if path.is_file():
        return path.read_text()
    source = place.work / "locked"
    write_tree(tree, source)
    uv = Uv(source / dirname(bundle), place.secrets)
    _check_lock(uv, bundle)
    doing = f"exporting {bundle}"
    text = uv.must(doing, "export", "--python", sys.executable, *EXPORT, hint="see whether uv export --frozen works")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return text


def _matters(name: str, bundle: str) -> bool:
    return name == bundle or basename(name) in SETTINGS


def _check_lock(uv: Uv, bundle: str) -> None:
    check = ("lock", "--check", "--python", sys.executable)
    # A lock that matches needs no index, and a mirror set on this machine would make it look outdated.
    if uv.run(*check, "--offline", indexes=False).status == 0:
        return
    ran = uv.run(*check)
    if ran.status == 0:
        return
    if "needs to be updated" in ran.messages:
        raise LadingError(
            "unpinned",
            doing=f"checking {bundle}",
            happened=f"{bundle} does not match pyproject.toml: it was not updated after the last change there",
            now="no release was made",
            hint=LOCK_COMMAND,
        )
    raise build_failed(
        f"checking {bundle}",
        f"uv lock --check ended with exit status {ran.status}; its last lines:",
        hint="run uv lock --check in the project and mend what it says",
        details=ran.last_lines,
    )


def write_files(files: Mapping[str, str], directory: Path) -> None:
    """Write requirements files where their names say."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
