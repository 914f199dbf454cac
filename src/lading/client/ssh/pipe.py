"""The way to an agent where forwarding a socket is forbidden: a small program there carries the bytes.

Its errors also tell why an agent's socket cannot be opened.
"""

import shlex
import socket
import subprocess
from pathlib import Path

from lading.client.ssh.connection import Connection, Ran
from lading.client.wire import UnixConnection

# Any Python 3 runs it; it is what an agent's machine has for certain. Exit status 7 and a name: the socket refused.
PROGRAM = """
import errno, os, socket, sys, threading
line = socket.socket(socket.AF_UNIX)
try:
    line.connect(sys.argv[1])
except OSError as error:
    sys.stderr.write(errno.errorcode.get(error.errno, "?"))
    sys.exit(7)
if sys.argv[2:]:
    sys.exit(0)
def up():
    while True:
        data = os.read(0, 65536)
        if not data:
            os._exit(0)
        line.sendall(data)
threading.Thread(target=up, daemon=True).start()
while True:
    data = line.recv(65536)
    if not data:
        break
    while data:
        data = data[os.write(1, data):]
"""


def probe(connection: Connection, remote: Path) -> Ran:
    """Open an agent's socket there and close it again: status 0, or 7 and the error's name in ``err``."""
    return connection.run(_command(remote, "probe"))


class PipeConnection(UnixConnection):
    """A connection to an agent's socket through a program there."""

    def __init__(self, connection: Connection, remote: Path, timeout: float) -> None:
        super().__init__(remote, timeout)
        self._words = connection.words(_command(remote))
        self._program: subprocess.Popen[bytes] | None = None

    def connect(self) -> None:
        """Start the program; an agent that is not there shows when it is asked."""
        ours, its = socket.socketpair()
        with its:
            ours.settimeout(self._timeout)
            end = its.fileno()
            self._program = subprocess.Popen(self._words, stdin=end, stdout=end, stderr=subprocess.DEVNULL)
        self._socket = ours

    def close(self) -> None:
        """Close the connection, which ends the program."""
        super().close()
        if self._program is not None:
            self._program.terminate()
            self._program.wait()
            self._program = None


def _command(remote: Path, *more: str) -> str:
    return "exec " + shlex.join(["python3", "-c", PROGRAM, str(remote), *more])
