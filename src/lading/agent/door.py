"""The agent's socket: for its owner alone."""

import os
import socket
from pathlib import Path

from lading.model.errors import LadingError
from lading.model.interface import SOCKET

WAITING = 128  # connections that may wait to be accepted


def listen(home: Path) -> socket.socket:
    """Open the agent's socket, for its owner alone; a stale one of a dead agent is replaced.

    Only the holder of the home calls this, so a socket that is there belongs to nobody alive.
    """
    path = home / SOCKET
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(mask)
    except OSError as error:
        listener.close()
        raise LadingError(
            "usage",
            doing=f"opening the agent's socket {path}",
            happened=f"{error.strerror or error} (a socket's path may have 107 bytes)",
            hint="choose a shorter LADING_HOME",
        ) from error
    listener.listen(WAITING)
    return listener
