"""How long an answer may be kept: for good where the name says which content it is, else only after asking again."""

import re

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

# What builders put between a file's name and its endings: app.3f2a9c41.js, index-DiwrgT4d.css, 8c1e20fa.chunk.js
_HEX = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{8,64}")
_BASE64 = re.compile(r"[.-](?=[^.]*[A-Z])([A-Za-z0-9_-]{8})\.[a-z0-9]+(\.map)?")
_WORDS = re.compile(r"[0-9]*[A-Za-z]?[a-z]*([A-Z][a-z]+|[0-9]+)*")


def cache_control(name: str) -> str:
    """Return the Cache-Control header of a file by its name; when in doubt it is asked for again."""
    return FOR_GOOD if is_hashed(name) else ASK_AGAIN


def is_hashed(name: str) -> bool:
    """Tell whether a file's name holds a piece of its content's digest, as bundlers write it.

    Hexadecimal: eight digits or more, letters among them. Base 64: exactly eight characters before the ending, with a
    capital among them, that do not read as words and numbers: a file such as ``chart-Settings.js`` or
    ``logo-1200x630.png`` must not be kept for good. One in eleven digests reads so, and is asked for again.
    """
    stem = name.rpartition("/")[2]
    if any(_HEX.fullmatch(piece) for piece in re.split(r"[.-]", stem)[:-1]):
        return True
    found = _BASE64.search(stem)
    return found is not None and found.end() == len(stem) and not _WORDS.fullmatch(found[1])
