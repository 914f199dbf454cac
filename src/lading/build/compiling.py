"""Give a tree its compiled Python files, so that a program's first answer does not wait for the compiler."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path, PurePosixPath

import msgspec

from lading.build import bytecode
from lading.build.disk import write_whole
from lading.build.entries import Tree, from_bytes
from lading.build.errors import build_failed

COMPILE_LIMIT = 600.0  # seconds
MOST_WORKERS = 4
# Below this many files a second process costs more than it saves.
FILES_A_WORKER = 100

Failures = list[tuple[str, str]]


def compiled_name(name: str) -> str:
    """Return where the compiled form of a source lies: ``app/__pycache__/main.cpython-311.pyc``."""
    return PurePosixPath(importlib.util.cache_from_source(name, optimization="")).as_posix()


def compile_files(files: Sequence[tuple[Path, str]]) -> Failures:
    """Compile files on disk (path, name in the layer) beside themselves; return those that do not compile, and why."""
    workers = max(1, min(os.cpu_count() or 1, MOST_WORKERS, len(files) // FILES_A_WORKER))
    shares = [files[number::workers] for number in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        return sorted(failure for failures in pool.map(_compile_share, shares) for failure in failures)


def _compile_share(files: Sequence[tuple[Path, str]]) -> Failures:
    if not files:
        return []
    request = json.dumps([(str(path), name) for path, name in files])
    # -P: the directory of the script must not come before the standard library.
    command = [sys.executable, "-P", "-S", "-s", "-W", "ignore", bytecode.__file__]
    environment = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, input=request, capture_output=True, text=True, timeout=COMPILE_LIMIT, env=environment, check=False
    )
    if done.returncode != 0:
        raise build_failed(
            "compiling Python files",
            f"the compiler ended with exit status {done.returncode}",
            hint="read its last lines above",
            details=tuple(done.stderr.splitlines()[-5:]),
        )
    return [(name, why) for name, why in json.loads(done.stdout)]


class CompileCache:
    """The compiled files of a build's last source, by content: the next build compiles only what changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._load()

    def compile(self, tree: Tree, work: Path) -> tuple[Tree, Failures]:
        """Return the compiled files of a tree's Python sources, and the sources that do not compile.

        ``work`` is a directory for temporary files.
        """
        sources = {name: entry.read() for name, entry in tree.items() if name.endswith(".py") and entry.target is None}
        keys = {name: _key(name, source) for name, source in sources.items()}
        fresh = {name: source for name, source in sources.items() if keys[name] not in self._known}
        bodies, failures = _compile_fresh(fresh, work)
        known = {keys[name]: self._known[keys[name]] for name in sources if name not in fresh}
        known |= {keys[name]: body for name, body in bodies.items()}
        if known.keys() != self._known.keys():
            self._known = known
            write_whole(self._path, msgspec.msgpack.encode(known))
        compiled = {compiled_name(name): from_bytes(known[keys[name]]) for name in sources if keys[name] in known}
        return compiled, failures

    def _load(self) -> dict[str, bytes]:
        try:
            return msgspec.msgpack.decode(self._path.read_bytes(), type=dict[str, bytes])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}


def _key(name: str, source: bytes) -> str:
    return sha256(b"\0".join([sys.implementation.cache_tag.encode(), name.encode(), source])).hexdigest()


def _compile_fresh(sources: dict[str, bytes], work: Path) -> tuple[dict[str, bytes], Failures]:
    if not sources:
        return {}, []
    with tempfile.TemporaryDirectory(dir=work) as directory:
        paths: dict[str, Path] = {}
        for name, source in sources.items():
            paths[name] = Path(directory, name)
            paths[name].parent.mkdir(parents=True, exist_ok=True)
            paths[name].write_bytes(source)
        failures = compile_files([(path, name) for name, path in paths.items()])
        broken = {name for name, _ in failures}
        bodies = {name: Path(directory, compiled_name(name)).read_bytes() for name in sources if name not in broken}
    return bodies, failures
