"""The agent's home: its directories, its name, its card, and the lock that lets only one agent have it."""

import fcntl
import logging
import os
import secrets
import signal
import socket
from pathlib import Path

import msgspec

from lading.model.interface import CARD, LOCK

log = logging.getLogger(__name__)

NAME = "agent.name"
SPOOL = "spool"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What ``agent.json`` says of the agent that has the home; ``started`` is in seconds since the epoch."""

    pid: int
    started: float
    version: str
    socket: str


class Home:
    """One directory with all state. It may be passed through by others, as instances may be other users."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.spool = self.root / SPOOL
        self.spool.mkdir(mode=0o700, exist_ok=True)
        self._lock: int | None = None

    def acquire(self) -> bool:
        """Take the home for this process; False while another agent has it. The kernel frees it when we die."""
        if self._lock is None:
            self._lock = os.open(self.root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_there(self) -> bool:
        """Tell whether the home that was taken is still there: somebody may have removed or moved it."""
        try:
            return self._lock is None or os.path.samestat(os.fstat(self._lock), (self.root / LOCK).stat())
        except FileNotFoundError:
            return False

    def leave_if_gone(self) -> bool:
        """End this process in order, once its home is gone; tell whether it is still there."""
        if self.is_there():
            return True
        # It would make router after router for routes that nobody has written down.
        log.error("%s was removed or moved: this agent ends", self.root)
        os.kill(os.getpid(), signal.SIGTERM)
        return False

    def sweep(self) -> None:
        """Remove what uploads of a dead agent left; to be called by who has the home."""
        for left in self.spool.iterdir():
            left.unlink(missing_ok=True)

    def name(self, wanted: str = "") -> str:
        """Return the agent's name, chosen at its first start and kept: ``wanted``, else the host's and a suffix.

        Two agents of one host need different names, as statements are told apart by them.
        """
        path = self.root / NAME
        if not wanted and path.exists():
            return path.read_text().strip()
        name = wanted or f"{socket.gethostname()}-{secrets.token_hex(2)}"
        _write_whole(path, name.encode() + b"\n")
        return name

    def write_card(self, card: Card) -> None:
        """Say who has the home."""
        _write_whole(self.root / CARD, msgspec.json.encode(card) + b"\n")

    def remove_card(self) -> None:
        """Say that nobody has the home."""
        (self.root / CARD).unlink(missing_ok=True)


def _write_whole(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    draft.replace(path)
