"""HTTP/1.1 over a Unix socket with the standard library: the hot path of every command, so nothing heavy."""

import http.client
import os
import socket
import sys
from pathlib import Path

# The kernel's limit on the path of a Unix socket is 108 bytes on Linux, 104 on macOS, terminating zero included.
LONGEST_SOCKET_PATH = 100


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection whose other end is a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("agent", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket; OSError when nobody listens."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            connect_unix(self.sock, self._path)
        except OSError:
            self.sock.close()
            raise


def connect_unix(sock: socket.socket, path: Path) -> None:
    """Connect to the socket at ``path``, however long the path is."""
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH or not sys.platform.startswith("linux"):
        sock.connect(str(path))
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        sock.connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
