"""What a service manager hands over and is told, by systemd's protocols: standard library only, for the holder."""

import array
import contextlib
import os
import socket
from collections.abc import Iterable

FIRST = 3  # the file descriptor at which sockets that were handed over begin


def received() -> list[socket.socket]:
    """Return the listening sockets that this process was given at its start; a second call gives none.

    Programs that it starts are told nothing of them. What is no listening socket of the internet is closed.
    """
    mine = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    numbers = range(FIRST, FIRST + int(count)) if mine and count.isdigit() else ()
    found: list[socket.socket] = []
    for number in numbers:
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
        if listens(sock):
            found.append(sock)
        else:
            sock.close()
    return found


def listens(sock: socket.socket) -> bool:
    """Tell whether connections of the internet arrive at a socket."""
    internet = sock.family in (socket.AF_INET, socket.AF_INET6)
    return internet and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


class Manager:
    """The service manager that started this process; none where nobody said so, and then telling does nothing.

    Programs that this process starts do not hear of it.
    """

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def ready(self) -> None:
        """Say that the service does its work."""
        self._tell("READY=1")

    def keep(self, name: str, sock: socket.socket) -> None:
        """Give a socket into the manager's keeping: the next process of the service gets it, whatever ends this one."""
        self._tell(f"FDSTORE=1\nFDNAME={name}", [sock.fileno()])

    def drop(self, name: str) -> None:
        """Take sockets of this name out of the manager's keeping."""
        self._tell(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def _tell(self, text: str, numbers: Iterable[int] = ()) -> None:
        if not self._address:
            return
        # A leading @ stands for a name that lies in no file system.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        passed = array.array("i", numbers)
        extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)] if passed else []
        with (
            contextlib.suppress(OSError),  # the manager is busy or ends: what is served does not hang on it
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line,
        ):
            line.sendmsg([text.encode()], extra, 0, address)
