"""How a value may look where a program, a library or the wire has written it down."""

import base64
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

# Parts of a value that are shorter occur in ordinary text by chance.
SHORTEST_PART = 8


@lru_cache(maxsize=1024)
def spellings(value: str) -> tuple[str, ...]:
    """Return the usual spellings of a value, longest first, itself among them.

    As it is, each of its lines, in a URL, in JSON, in Python, in HTML, in hex, in base64 (alone or within something
    longer, such as basic credentials), and the password that it holds as ``user:password`` or as a URL.
    """
    found = {form for part in (value, *_parts(value)) for form in _forms(part)}
    return tuple(sorted(found - {""}, key=lambda form: (-len(form), form)))


def _parts(value: str) -> Iterator[str]:
    yield value.strip()
    lines = [line.strip() for line in value.splitlines()]
    # A log is read line by line, so a key of several lines is never seen as one.
    yield from (line for line in lines if len(lines) > 1 and len(line) >= SHORTEST_PART)
    if "://" in value:
        yield from _password_in_url(value)
    elif ":" in value:
        yield value.partition(":")[2]


def _password_in_url(value: str) -> Iterator[str]:
    try:
        password = urlsplit(value.strip()).password
    except ValueError:
        return
    if password:
        yield password
        yield unquote(password)


def _forms(value: str) -> Iterator[str]:
    # Imported here: its table of entities is long, and most commands mask nothing.
    import html

    data = value.encode("utf-8", "surrogatepass")
    yield value
    for encoded in (quote(data), quote(data, safe=""), quote_plus(data)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value)):
        yield text[1:-1]
    yield html.escape(value)
    yield html.escape(value, quote=False)
    for coded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
        yield coded.decode()
    if len(data) >= SHORTEST_PART:
        yield data.hex()
        yield data.hex().upper()
        yield from _within_base64(data)


def _within_base64(data: bytes) -> Iterator[str]:
    """Yield what base64 of anything that holds the data must contain, for each of the three ways it can be aligned."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data).decode().rstrip("=")
        first = -(-before * 8 // 6)  # the first character that is made of the data alone
        last = (before + len(data)) * 8 // 6  # behind the last one
        yield whole[first:last]
        yield whole[first:last].replace("+", "-").replace("/", "_")
