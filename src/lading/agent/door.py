"""The agent's socket: for its owner, and for a group if the agent's settings name one."""

import grp
import os
import socket
from pathlib import Path

from lading.model.errors import LadingError
from lading.model.interface import SOCKET

WAITING = 128  # connections that may wait to be accepted


def listen(home: Path, group: str = "") -> socket.socket:
    """Open the agent's socket, for its owner and ``group`` alone; a stale one of a dead agent is replaced.

    Only the holder of the home calls this, so a socket that is there belongs to nobody alive. Raise ``usage`` for a
    group that this host does not have.
    """
    number = _number_of(group) if group else None
    (home / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The kernel takes 107 bytes of path at most, and a home may have more: name the directory by its descriptor.
    directory = os.open(home, os.O_PATH | os.O_DIRECTORY)
    mask = os.umask(0o177)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{SOCKET}")
        if number is not None:
            # Opened to the group last: until then it is the owner's alone.
            os.chown(SOCKET, -1, number, dir_fd=directory)
            os.chmod(SOCKET, 0o660, dir_fd=directory)
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


def _number_of(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise LadingError(
            "usage",
            doing="opening the agent's socket",
            happened=f"agent.toml gives it to the group {group}, and this host has none of that name",
            now="the agent was not started; what is serving goes on serving",
            hint=f"make the group (groupadd {group}), or take the line out of agent.toml",
        ) from None
