"""Text as a terminal's cells: what must not reach it, how wide it is, and how it is cut and wrapped to fit."""

from __future__ import annotations

import re
import unicodedata

# A program's log lines end on an operator's terminal, which must not take orders from them: escape sequences go
# altogether, other controls and whatever turns the direction of writing show as one strange sign each.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours, cursor, screen
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # title, clipboard, other strings
    r"|\x1b[ -/]*[0-~]"
)
_BIDIRECTIONAL = (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_STRANGE = dict.fromkeys((*range(32), *range(127, 160), *_BIDIRECTIONAL), "\ufffd")
_CONTROLS = {number: sign for number, sign in _STRANGE.items() if chr(number) not in "\t\n"}
_ONE_LINE = {**_STRANGE, 9: " ", 10: " "}
CUT = "…"


def harmless(text: str) -> str:
    """Return text that a terminal only shows: without controls, but with its lines and tabs."""
    return _SEQUENCE.sub("", text).translate(_CONTROLS) if _may_act(text) else text


def one_line(text: str) -> str:
    """Return text that a terminal only shows, on one line; of what overwrote itself (a progress bar) the last state."""
    if not _may_act(text) and "\n" not in text and "\t" not in text:
        return text
    return _SEQUENCE.sub("", text).rstrip("\r\n").rpartition("\r")[2].translate(_ONE_LINE)


def _may_act(text: str) -> bool:
    return not text.isprintable()


def width(text: str) -> int:
    """Return how many cells a line takes: two for wide characters, none for marks that join the one before."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(sign: str) -> int:
    if unicodedata.category(sign) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def fit(text: str, room: int) -> str:
    """Return the beginning of a line that fits into ``room`` cells; what is cut off shows as ``…``."""
    if width(text) <= room:
        return text
    kept, used = [], 0
    for sign in text:
        used += _cells(sign)
        if used > room - 1:
            break
        kept.append(sign)
    return "".join(kept).rstrip(" ") + CUT if room > 0 else ""


def pad(text: str, room: int) -> str:
    """Return a line filled up with spaces to ``room`` cells."""
    return text + " " * (room - width(text))


def wrap(text: str, room: int) -> list[str]:
    """Return a text as lines of at most ``room`` cells, broken between words where there are any."""
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if width(longer) <= room:
            line = longer
            continue
        if line:
            lines.append(line.rstrip(" "))
        while width(word) > room:
            piece = _piece(word, room)
            lines.append(piece)
            word = word[len(piece) :]
        line = word
    return [*lines, line.rstrip(" ")] if line or not lines else lines


def _piece(word: str, room: int) -> str:
    used = 0
    for place, sign in enumerate(word):
        used += _cells(sign)
        if used > room and place:
            return word[:place]
    return word
