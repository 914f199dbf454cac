"""A repository's files, read-only and bounded: nothing is run, no link is followed, nothing large is read."""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from stat import S_ISREG

MOST_ENTRIES = 20_000  # files and directories looked at
DEEPEST = 10  # levels of directories
LARGEST = 256 * 1024  # bytes of a file; what is larger was not written by hand
MOST_READ = 16 * 1024 * 1024  # bytes of all files together

# Other people's code, what tools leave, and what no deployment reads.
SKIPPED = frozenset(
    (".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "env", "virtualenv", "node_modules", "site-packages",
     "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode", ".eggs", "dist", "build",
     "htmlcov", "vendor", "bower_components", ".terraform", ".next")
)  # fmt: skip
ASIDE = frozenset(("tests", "test", "testing", "docs", "doc", "examples", "example", "benchmarks", "notebooks"))


class Repository:
    """What lies in a directory: paths relative to it, with ``/``, nearest first; texts are read when asked for.

    Links are not followed, neither out of the directory nor within it. ``left`` says what was not looked at and why.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.left: list[str] = []
        self._texts: dict[str, str | None] = {}
        self._read = 0
        self.files = tuple(self._walk())
        self._known = frozenset(self.files)

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.root.resolve().name

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that path."""
        return name in self._known

    def below(self, directory: str) -> Iterator[str]:
        """Give every file below a directory, ``.`` for all of them."""
        prefix = "" if directory in (".", "") else f"{directory}/"
        return (name for name in self.files if name.startswith(prefix))

    def text(self, name: str) -> str | None:
        """Return a file's text, None when it is not there, too large or no regular file. Bytes that are no text are
        replaced."""
        if name not in self._texts:
            self._texts[name] = self._load(name) if name in self._known else None
        return self._texts[name]

    def exists(self, name: str) -> bool:
        """Tell whether anything of that name is there, whether it was looked at or not."""
        return os.path.lexists(self.root / name)

    def _walk(self) -> Iterator[str]:
        pending: deque[tuple[str, int]] = deque([("", 0)])
        seen = 0
        while pending:
            directory, depth = pending.popleft()
            for entry in self._entries(directory):
                seen += 1
                if seen > MOST_ENTRIES:
                    self.left.append(f"everything after the first {MOST_ENTRIES:,} files")
                    return
                path = f"{directory}/{entry.name}" if directory else entry.name
                if entry.is_symlink():
                    self.left.append(f"{path}, a link")
                elif entry.is_dir(follow_symlinks=False):
                    self._enter(path, entry, depth, pending)
                elif entry.is_file(follow_symlinks=False):
                    yield path

    def _enter(self, path: str, entry: os.DirEntry[str], depth: int, pending: deque[tuple[str, int]]) -> None:
        if entry.name in SKIPPED or os.path.lexists(Path(entry.path) / "pyvenv.cfg"):
            return
        if depth >= DEEPEST:
            self.left.append(f"{path}/, deeper than {DEEPEST} levels")
            return
        pending.append((path, depth + 1))

    def _entries(self, directory: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / directory) as entries:
                # A name with control characters would end up in comments and on terminals.
                found = [entry for _, entry in zip(range(MOST_ENTRIES + 1), entries, strict=False)]
        except OSError as error:
            self.left.append(f"{directory or '.'}/: {error.strerror}")
            return []
        return sorted((entry for entry in found if entry.name.isprintable()), key=lambda entry: entry.name)

    def _load(self, name: str) -> str | None:
        try:
            # Not waiting for a pipe, not following a link that has just taken the file's place.
            handle = os.open(self.root / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            self.left.append(f"{name}: {error.strerror}")
            return None
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(file.fileno())
            if not S_ISREG(state.st_mode):
                return None
            if state.st_size > LARGEST or self._read + state.st_size > MOST_READ:
                self.left.append(f"{name}, {state.st_size / 1e6:.1f} MB")
                return None
            data = file.read(LARGEST)
        self._read += len(data)
        return _decoded(data)


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def is_aside(name: str) -> bool:
    """Tell whether a file is no part of what runs: tests, documents, examples."""
    path = PurePosixPath(name)
    if path.name.startswith(("test_", "conftest")) or path.stem.endswith("_test"):
        return True
    return any(part in ASIDE for part in path.parts[:-1])
