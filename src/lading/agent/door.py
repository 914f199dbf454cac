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
    (home / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The kernel takes 107 bytes of path at most, and a home may have more: name the directory by its descriptor.
    directory = os.open(home, os.O_PATH | os.O_DIRECTORY)
    mask = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{SOCKET}")
    except OSError as error:
        listener.close()
        raise LadingError(
            "unexpected",
            doing=f"opening the agent's socket {home / SOCKET}",
            happened=str(error.strerror or error),
            now="what is served goes on being served",
            hint="see that the agent may write to its home, or choose another: LADING_HOME",
        ) from error
    finally:
        os.umask(mask)
        os.close(directory)
    listener.listen(WAITING)
    return listener
