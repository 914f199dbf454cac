"""The environment layer: the packages of a lock, installed once per lock, platform and uv version."""

import fcntl
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lading.build.compiling import compile_files
from lading.build.disk import write_whole
from lading.build.entries import Entry, Tree, from_bytes, read_directory
from lading.build.leaks import find_values, refuse_leaks
from lading.build.lock import Locked, Place, write_files
from lading.build.pack import chunks_of, pack
from lading.build.pins import pinning_command
from lading.build.report import Report
from lading.build.sbom import bill_of_materials
from lading.build.uvtool import Uv, uv_version
from lading.model import typed
from lading.model.canonical import canonical_json, digest_of
from lading.model.release import Layer, Platform
from lading.ports.store import Store

# Counted up when the steps below give another tree for the same lock.
RECIPE = 1
# What a host provides when it lays the layer out, what only interactive shells use, and uv's own notes.
NOT_PACKED = re.compile(
    r"pyvenv\.cfg|lib64|\.gitignore|\.lock|CACHEDIR\.TAG|bin/(?:python[\d.]*|activate.*|deactivate\.bat|pydoc\.bat)"
    r"|lib/python[\d.]+/site-packages/_virtualenv\.(?:py|pth)|(?:.*/)?__pycache__/.*(?<!\.pyc)"
)
# uv's launcher asks two programs for its own directory; the shell knows it, which saves 3 ms a start.
LAUNCHER = re.compile(rb"\A(?:#!/bin/sh\n'''exec' [^\n]*\n' '''\n|#!/[^\n]*/bin/python[\d.]*\n)")
OWN_LAUNCHER = b"#!/bin/sh\n'''exec' \"${0%/*}/python\" \"$0\" \"$@\"\n' '''\n"


class BuiltEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """A built environment: its layer, and its bill of materials as text."""

    layer: Layer
    sbom: str


def environment(locked: Locked, platform: Platform, store: Store, place: Place, report: Report) -> BuiltEnvironment:
    """Return the environment of a lock, from the cache where the store still has its layer, else built."""
    wanted = {"recipe": RECIPE, "lock": locked.digest, "platform": platform, "uv": uv_version()}
    key = digest_of(wanted).removeprefix("sha256:")
    known = place.cache / "environments" / f"{key}.json"
    with _alone(known.with_suffix(".lock")):
        built = _cached(known, store)
        if built is None:
            started = time.monotonic()
            built = _build(locked, store, place, report)
            write_whole(known, canonical_json(built))
            took = time.monotonic() - started
            report(f"environment  {len(locked.pins)} packages, {built.layer.size / 1e6:.1f} MB, built in {took:.1f} s")
        else:
            report(f"environment  {len(locked.pins)} packages, {built.layer.size / 1e6:.1f} MB, unchanged")
    refuse_leaks("checking the environment", find_values({"sbom": from_bytes(built.sbom.encode())}, place.secrets))
    return built


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    # Two builds of one lock at once: the second waits and finds it done.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield


def _cached(path: Path, store: Store) -> BuiltEnvironment | None:
    try:
        built = typed.decode(path.read_bytes(), BuiltEnvironment)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return built if store.has(built.layer.digest) else None


def _build(locked: Locked, store: Store, place: Place, report: Report) -> BuiltEnvironment:
    home = place.work / "environment"
    requirements = place.work / "requirements"
    write_files(locked.files | locked.settings, requirements)
    installing = f"installing {len(locked.pins)} packages"
    uv = Uv(requirements, place.secrets, lambda line: report(installing, line))
    doing = f"building the environment of {locked.main}"
    python = ("--python", sys.executable)
    uv.must(doing, "venv", "--relocatable", "--no-project", *python, str(home), hint="see whether uv venv works here")
    if locked.pins:
        uv.must(
            doing,
            *("pip", "install", "--require-hashes", "--python", str(home / "bin" / "python"), "-r", locked.main),
            hint=f"if a package is missing from the file, pin again: {pinning_command(locked.main)}",
        )
    report(f"packing {len(locked.pins)} packages", "")
    tree = _tidied(home)
    refuse_leaks("checking the environment", find_values(tree, [*place.secrets, *uv.passwords]))
    blob = place.work / "environment.blob"
    layer = pack("environment", tree, blob)
    store.put(layer.digest, chunks_of(blob))
    return BuiltEnvironment(layer=layer, sbom=bill_of_materials(tree, locked.pins).decode())


def _tidied(home: Path) -> Tree:
    for compiled in list(home.rglob("__pycache__")):
        shutil.rmtree(compiled)
    sources = [path for path in home.glob("lib/**/*.py") if path.is_file() and not path.is_symlink()]
    compile_files([(path, path.relative_to(home).as_posix()) for path in sorted(sources)])
    tree = {name: entry for name, entry in read_directory(home).items() if not NOT_PACKED.fullmatch(name)}
    for name in [name for name in tree if name.startswith("bin/")]:
        tree[name] = _relocated(tree[name])
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    # An environment without packages must still say which Python it is for.
    tree[f"lib/python{minor}/site-packages/.lading"] = from_bytes(b"")
    return tree


def _relocated(entry: Entry) -> Entry:
    if entry.target is not None:
        return entry
    content = entry.read()
    moved = LAUNCHER.sub(lambda _: OWN_LAUNCHER, content, count=1)
    return entry if moved == content else from_bytes(moved)._replace(executable=True)
