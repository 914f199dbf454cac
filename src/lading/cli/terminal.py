"""What the place where output goes can do: colours, drawing a line anew, how wide it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

WIDEST = 100  # columns that a line fills at most
NARROWEST = 20  # columns below which nothing is laid out any more

CODES = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}


def wants_colour(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether to colour what goes to a stream.

    ``NO_COLOR`` forbids it, ``FORCE_COLOR`` and ``CLICOLOR_FORCE`` ask for it anywhere; else a terminal gets colours
    unless it is a dumb one or ``CLICOLOR`` is 0.
    """
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0").lower() not in ("", "0", "false") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return _terminal(stream) and environ.get("TERM") != "dumb" and environ.get("CLICOLOR") != "0"


def can_redraw(stream: TextIO, environ: Mapping[str, str] | None = None) -> bool:
    """Tell whether a line that was written to a stream can be drawn anew: on a terminal that is no dumb one."""
    environ = os.environ if environ is None else environ
    return _terminal(stream) and environ.get("TERM", "dumb") != "dumb"


def _terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False  # it is closed


def columns(stream: TextIO | None = None) -> int:
    """Return how many columns a line may fill; by the window as it is now, however ``COLUMNS`` found it.

    The last column of a window stays free: writing there makes some terminals wrap.
    """
    try:
        found = os.get_terminal_size((stream or sys.stdout).fileno()).columns
    except (OSError, ValueError):
        found = 0
    if not found:
        given = os.environ.get("COLUMNS", "")
        found = int(given) if given.isdecimal() else 0
    return max(NARROWEST, min(found - 1, WIDEST)) if found else WIDEST


class Paint:
    """Colours text, or leaves it as it is."""

    def __init__(self, on: bool) -> None:
        self._on = on

    def __call__(self, text: str, colour: str) -> str:
        """Return the text in a colour of :data:`CODES`; no colour is the empty name."""
        return f"\x1b[{CODES[colour]}m{text}\x1b[0m" if self._on and colour and text else text


class Signs:
    """The marks and frames of a stream, in plain ASCII where its encoding has no others."""

    def __init__(self, stream: TextIO) -> None:
        self._ascii = not _encodes(stream, "✓⠋…→")
        self.frames = "|/-\\" if self._ascii else "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def mark(self, sign: str) -> str:
        """Return a mark as the stream can show it."""
        return {"✓": "+", "✗": "x", "↩": "<"}.get(sign, sign) if self._ascii else sign


def _encodes(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
