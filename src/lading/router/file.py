"""The router's file of routes on disk, which is its own record, and the last of it that was confirmed."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from lading.model.environment import Routes
from lading.model.errors import LadingError
from lading.router.identity import write_whole
from lading.router.render import parse


class RouteFile:
    """The file Traefik reads below a root, and beside it the last good one."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / "routes" / "routes.yml"
        self._good = root / "routes.good"

    def routes(self) -> dict[str, Routes]:
        """Return the routes in force; those last confirmed when the file was broken by hand.

        Raise ``router-failed`` when they are there and cannot be read: the next change would drop all that it misses.
        """
        for file in (self._file, self._good):
            with on_disk(file, "read"), contextlib.suppress(FileNotFoundError, ValueError):
                return parse(file.read_bytes())
        return {}

    def text(self) -> bytes:
        """Return the file as it stands, empty when there is none."""
        return self._file.read_bytes() if self._file.exists() else b""

    def write(self, text: bytes) -> None:
        """Replace the file."""
        # The unfinished file lies outside: Traefik would load the directory once for each of its changes.
        with on_disk(self._file):
            write_whole(self._file, text, scratch=self._root)

    def confirm(self, text: bytes) -> None:
        """Keep what was confirmed, should the file be broken."""
        with contextlib.suppress(OSError):  # the routes are in force all the same; the next change writes it again
            write_whole(self._good, text)


@contextlib.contextmanager
def on_disk(file: Path, act: str = "write") -> Iterator[None]:
    """Turn what the file system refuses into an error that says so."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise LadingError(
            "no-space" if full else "router-failed",
            doing=f"{act} {file}",
            happened=error.strerror or str(error),
            now="the routes in force are untouched",
            hint="free some space, then try again" if full else f"see who may {act} there, then try again",
        ) from error
