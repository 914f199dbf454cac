"""A few lines at the bottom of a terminal that are drawn anew while others are printed above them.

The cursor always rests at the beginning of the drawn block. So whatever happens, a window made narrower, a killed
process, a key that is typed, the next thing written clears or overwrites the block, and nothing stays hidden.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TextIO

REDRAWS = 10  # a second

_CLEAR = "\r\x1b[J"
_REST_OF_LINE = "\x1b[K"
_REST_OF_SCREEN = "\x1b[J"
# A line that is longer than the window has become must be cut there, not go on in the next.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"

Block = Callable[[], Sequence[str]]


class Screen:
    """Draws what ``block`` returns, ten times a second, below what is printed.

    The lines of the block must fit into the terminal's width. A terminal that goes away ends the drawing quietly.
    """

    def __init__(self, stream: TextIO, block: Block) -> None:
        self._stream = stream
        self._block = block
        self._lock = threading.Lock()
        self._drawn = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="drawing", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def close(self) -> None:
        """Stop drawing and take the block away; calling it again does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        self.clear()

    def clear(self) -> None:
        """Take the block away until it is drawn again."""
        with self._lock:
            self._write(_CLEAR if self._drawn else "")
            self._drawn = 0

    def print(self, lines: Sequence[str]) -> None:
        """Print lines above the block; a terminal that went away raises OSError, as any print does."""
        with self._lock:
            before = _CLEAR if self._drawn else ""
            self._drawn = 0
            self._write(before + "".join(f"{line}\n" for line in lines))

    def draw(self) -> None:
        """Draw the block as it is now."""
        with self._lock:
            lines = self._block()
            if not lines:
                self._write(_CLEAR if self._drawn else "")
                self._drawn = 0
                return
            drawn = f"{_REST_OF_LINE}\n".join(lines)
            up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
            self._write(f"{_NO_WRAP}\r{drawn}{_REST_OF_SCREEN}{up}\r{_WRAP}")
            self._drawn = len(lines)

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()

    def _turn(self) -> None:
        while not self._ended.wait(1 / REDRAWS):
            try:
                self.draw()
            except (OSError, ValueError):
                return  # whoever prints next is told of it
