"""Blobs that arrive in pieces: what has come is kept when a sender breaks off, and the next one goes on there."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from lading.build.disk import room_for, sync_directory
from lading.build.errors import corrupt
from lading.model.errors import LadingError

SUFFIX = ".part"


class Arriving:
    """One blob that is arriving, as a hidden file beside the whole ones; the lock is the blob's own."""

    def __init__(self, blobs: Path, name: str, lock: Lock) -> None:
        self._whole = blobs / name
        self._part = blobs / f".{name}{SUFFIX}"
        self._lock = lock

    def here(self) -> int:
        """Return how many of the blob's first bytes are here."""
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def take(self, offset: int, chunks: Iterator[bytes], size: int) -> int:
        """Add bytes from ``offset`` on and return how many are here then; at ``size`` the blob gets its name.

        Bytes that are here already are passed over, so a sender that was cut off and one that came after it do not
        harm each other. Raise ``artifact-corrupt`` and keep nothing when the whole is not what its digest says.
        """
        doing = f"storing sha256:{self._whole.name}"
        position = offset
        for chunk in chunks:
            # Locked for one piece only: whoever waits for the next one of a dead sender must not hold up others.
            with self._lock, self._room(doing):
                if self._whole.exists():
                    return size
                self._write(doing, position, chunk, size)
            position += len(chunk)
        with self._lock, self._room(doing):
            if self._whole.exists():
                return size
            here = self.here()
            if here == size:
                self._name_it(doing)
            return here

    def _write(self, doing: str, position: int, chunk: bytes, size: int) -> None:
        here = self.here()
        if position > here:
            raise LadingError(
                "usage",
                doing=doing,
                happened=f"bytes from {position} on were sent, but only {here} are here",
                now=f"the first {here} bytes are kept",
                hint="the same command again goes on where they end",
            )
        fresh = chunk[here - position :]
        if here + len(fresh) > size:
            self._part.unlink(missing_ok=True)
            raise corrupt(doing, f"more than its {size} bytes were sent")
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            while fresh:
                fresh = fresh[os.write(descriptor, fresh) :]
        finally:
            os.close(descriptor)

    def _name_it(self, doing: str) -> None:
        with self._part.open("rb") as file:
            os.fsync(file.fileno())
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self._whole.name:
            self._part.unlink()
            raise corrupt(doing, f"the bytes received are sha256:{found}", hint="the same command again sends it anew")
        self._part.replace(self._whole)
        sync_directory(self._whole.parent)

    @contextmanager
    def _room(self, doing: str) -> Iterator[None]:
        try:
            with room_for(doing):
                yield
        except LadingError as error:
            if error.code == "no-space":
                # Others need the room more than the half of a blob does.
                self._part.unlink(missing_ok=True)
            raise
