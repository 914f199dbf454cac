"""The holder's care for the maintenance page: its socket is held for life, its process runs while a page is shown."""

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from lading.router.identity import is_running, start_time
from lading.router.process import lay_rights_down, log
from lading.router.sockets import bind, pass_on

Process = tuple[int, int]


class PageHost:
    """Hold the page's socket and keep its process as it is wanted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._socket: socket.socket | None = None
        self.process: Process | None = None
        self.wanted = False

    @property
    def port(self) -> int:
        """The port the page answers on, 0 while it has none."""
        return int(self._socket.getsockname()[1]) if self._socket is not None else 0

    @property
    def settled(self) -> bool:
        """Whether the process runs exactly if it is wanted."""
        return self.wanted == (self.process is not None and is_running(*self.process))

    def open(self, port: int, left: Process | None) -> None:
        """Listen, where an earlier holder did if that can be had; ``left`` is the process it left running."""
        try:
            self._socket = bind("127.0.0.1", port, beside=port != 0)
        except OSError:
            self._socket = bind("127.0.0.1", 0)
        self.process = left if left is not None and is_running(*left) else None

    def adopt(self) -> None:
        """Put a process of our own in the place of one that an earlier holder left: that one is nobody's child."""
        if self.process is not None:
            self._kill()

    def settle(self) -> None:
        """Start or end the process."""
        if self.settled:
            return
        if not self.wanted:
            self._kill()
            return
        assert self._socket is not None
        pid = os.fork()
        if pid == 0:
            _become(self._root, self._socket)
        self.process = (pid, start_time(pid) or 0)

    def end(self) -> None:
        """End the process for good."""
        self.wanted = False
        self._kill()

    def _kill(self) -> None:
        if self.process is not None and is_running(*self.process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process[0], signal.SIGKILL)  # it has nothing to finish
        self.process = None


def _become(root: Path, listener: socket.socket) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        lay_rights_down()
        pass_on([listener])
        words = [sys.executable, "-S", "-s", "-m", "lading.router.pages", str(root)]
        os.execve(sys.executable, words, dict(os.environ))
    except OSError as error:
        log(f"cannot start the maintenance page: {error}")
    finally:
        os._exit(127)
