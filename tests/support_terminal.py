"""A command on a real terminal, whose window is emulated."""

import fcntl
import os
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyte

from tests.support import until

# Makes the terminal the one that Ctrl-C comes from, then becomes the command.
_OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """Runs a command on a pseudo-terminal and keeps what its window shows; what still runs at the end is killed."""

    def __init__(self, command: Sequence[str], cwd: Path, columns: int = 90, **environment: str) -> None:
        self.screen = pyte.HistoryScreen(columns, 40)
        self.written = b""
        self.lock = threading.Lock()  # held while the window changes
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = os.openpty()
        self.resize(columns)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env={**os.environ, "TERM": "xterm-256color", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()
        os.close(self._master)

    @property
    def lines(self) -> list[str]:
        """The lines that the window shows, from its top to the last that is not empty."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip("\n").split("\n")

    @property
    def text(self) -> str:
        """All of that in one."""
        return "\n".join(self.lines)

    @property
    def running(self) -> bool:
        """Whether the command runs still, or something that it wrote has not been shown yet."""
        return self._process.poll() is None or self._reader.is_alive()

    def resize(self, columns: int) -> None:
        """Make the window narrower or wider."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.screen.resize(40, columns)

    def type(self, keys: str) -> None:
        """Type on its keyboard; ``\\x03`` is Ctrl-C."""
        os.write(self._master, keys.encode())

    def until(self, text: str, within: float = 10.0) -> None:
        """Wait until the window shows a text."""
        until(lambda: text in self.text, within=within)

    def wait(self) -> int:
        """Wait for the command's end and return its exit status."""
        status = self._process.wait(30)
        self._reader.join(5)
        return status

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return  # the last writer closed the terminal
            if not data:
                return
            with self.lock:
                self.written += data
                self._stream.feed(data)
