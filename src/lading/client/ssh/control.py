"""The private directory of control sockets: who can open one may act as this user on the machines they lead to."""

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lading.model.errors import LadingError

# ssh adds 17 bytes to the name while it makes the socket, and the kernel takes 103 on macOS.
LONGEST_DIRECTORY = 50
LEFT_OVER = 24 * 3600.0  # seconds after which files of connections that are gone are removed


class Control:
    """The files of one connection: its control socket, its lock, its log, and the sockets that lead through it."""

    def __init__(self, *what: str) -> None:
        self._directory = _directory()
        self._name = _hashed(*what)
        self.socket = self._directory / f"{self._name}.ctl"
        self.log = self._directory / f"{self._name}.log"

    def forward(self, remote: Path) -> Path:
        """Return the local socket that leads to ``remote``."""
        return self._directory / f"{self._name}-{_hashed(str(remote))[:8]}.sock"

    def mark(self, remote: Path) -> Path:
        """Return the file that says, while it is there, that ``remote`` is reached by a pipe."""
        return self.forward(remote).with_suffix(".pipe")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time open the connection."""
        descriptor = os.open(self._directory / f"{self._name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Remove what a connection that is gone left, and old files of others."""
        for path in self._directory.glob(f"{self._name}*"):
            if path.suffix in (".ctl", ".sock", ".pipe"):
                path.unlink(missing_ok=True)
        for path in self._directory.glob("*.log"):
            if path.stat().st_mtime < time.time() - LEFT_OVER and not path.with_suffix(".ctl").exists():
                for left in self._directory.glob(f"{path.stem}*"):
                    left.unlink(missing_ok=True)


def _hashed(*what: str) -> str:
    return hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]


def _directory() -> Path:
    """Return the directory, made for this user alone; raise ``unexpected`` when somebody else has its name."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and len(os.fsencode(runtime)) < LONGEST_DIRECTORY and os.path.isdir(runtime):
        path = Path(runtime, "lading-ssh")
    else:
        path = Path("/tmp", f"lading-ssh-{os.getuid()}")
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise LadingError(
            "unexpected",
            doing="opening a connection by ssh",
            happened=f"{path} is not a directory that this user alone may open",
            now="nothing was sent",
            hint=f"see whose it is (ls -ld {path}), then remove it",
        )
    return path
