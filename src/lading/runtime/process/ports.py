"""Which port of this machine an instance gets."""

import socket
from collections.abc import Collection
from pathlib import Path

from lading.model.errors import LadingError

LOOPBACK = "127.0.0.1"


class Ports:
    """Gives out loopback ports of a range, going round it, so that a port just given back is the last to be reused."""

    def __init__(self, choice: range, cursor: Path) -> None:
        self._choice = choice
        self._cursor = cursor

    def choose(self, wanted: int | None, taken: Collection[int]) -> int:
        """Return ``wanted`` if it is free, else the next free port that nobody in ``taken`` has.

        Raise ``port-taken`` when the whole range is in use.
        """
        if wanted is not None and wanted not in taken and is_free(wanted):
            return wanted
        offset = self._next_offset()
        for step in range(len(self._choice)):
            port = self._choice[(offset + step) % len(self._choice)]
            if port not in taken and is_free(port):
                self._cursor.write_text(str(port))
                return port
        raise LadingError(
            "port-taken",
            doing="looking for a free port for an instance",
            happened=f"all {len(self._choice)} ports from {self._choice[0]} to {self._choice[-1]} are in use",
            hint="remove environments that are no longer needed, or give the agent a wider range of ports",
        )

    def _next_offset(self) -> int:
        try:
            return self._choice.index(int(self._cursor.read_text())) + 1
        except (FileNotFoundError, ValueError):
            return 0


def is_free(port: int) -> bool:
    """Tell whether a program could listen on that loopback port now; connections that linger do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
        return True
