"""Read a ``.env`` text into names and secrets, telling every mistake by its line and never by its value."""

import re
from typing import Final

from lading.model.errors import LadingError
from lading.model.secret import Secret

_ASSIGNMENT: Final = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "$": "$", "\n": ""}


def parse(text: str, source: str = ".env") -> dict[str, Secret]:
    """Return the variables of a ``.env`` text.

    Understood: ``NAME=value``, ``export NAME=value``, ``#`` comments (after a value: with a space before), single
    quotes (as they stand) and double quotes (``\\n \\r \\t \\" \\\\ \\$``), both over several lines. ``$NAME`` is not
    expanded. Raise ``usage`` with all mistakes at once, each with its line in ``source``.
    """
    reader = _Reader(text)
    reader.read()
    if reader.problems:
        raise LadingError(
            "usage",
            doing=f"reading {source}",
            happened=f"{len(reader.problems)} line{'' if len(reader.problems) == 1 else 's'} cannot be read",
            details=tuple(f"{source}:{line}  {problem}" for line, problem in reader.problems),
            now="nothing was stored",
            hint="correct the lines and try again; values are not shown here on purpose",
        )
    return reader.found


class _Reader:
    """Walks through the text once; a new one for each text."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self._at = 0
        self._first_line: dict[str, int] = {}
        self.found: dict[str, Secret] = {}
        self.problems: list[tuple[int, str]] = []

    def read(self) -> None:
        """Read every line."""
        while self._at < len(self._text):
            line = self._text.count("\n", 0, self._at) + 1
            rest = self._rest_of_line()
            if not rest.strip() or rest.lstrip().startswith("#"):
                self._skip_line()
                continue
            match = _ASSIGNMENT.match(self._text, self._at, self._at + len(rest))
            if match is None:
                self.problems.append((line, "should read NAME=value; a value of several lines needs quotes"))
                self._skip_line()
                continue
            self._at = match.end()
            self._assign(line, match.group(1))

    def _assign(self, line: int, name: str) -> None:
        quote = self._text[self._at : self._at + 1]
        value = self._quoted(line, name, quote) if quote in ("'", '"') else self._plain(line, name)
        if value is None:
            return
        if name in self._first_line:
            self.problems.append((line, f"sets {name} again; line {self._first_line[name]} set it first"))
            return
        self._first_line[name] = line
        self.found[name] = Secret(value)

    def _plain(self, line: int, name: str) -> str | None:
        value = re.split(r"[ \t]#|^#", self._rest_of_line(), maxsplit=1)[0].strip()
        if value.startswith("-----BEGIN"):
            self.problems.append((line, f"{name} begins a key of several lines, which needs quotes around it"))
            # What follows is the key itself: reading on would take its lines for names and show them.
            end = self._text.find("-----END", self._at)
            self._at = end if end >= 0 else len(self._text)
            self._skip_line()
            return None
        self._skip_line()
        return value

    def _quoted(self, line: int, name: str, quote: str) -> str | None:
        end = self._closing(quote)
        if end is None:
            self.problems.append((line, f"{name} opens a {quote} that is never closed"))
            self._at = len(self._text)
            return None
        body = self._text[self._at + 1 : end]
        self._at = end + 1
        after = self._rest_of_line().strip()
        self._skip_line()
        if after and not after.startswith("#"):
            self.problems.append((line, f"{name} has more text after its closing {quote}"))
            return None
        return body if quote == "'" else re.sub(r"\\(.)", _unescape, body, flags=re.DOTALL)

    def _closing(self, quote: str) -> int | None:
        at = self._at + 1
        while at < len(self._text):
            if self._text[at] == "\\" and quote == '"':
                at += 2
                continue
            if self._text[at] == quote:
                return at
            at += 1
        return None

    def _rest_of_line(self) -> str:
        end = self._text.find("\n", self._at)
        return self._text[self._at : end if end >= 0 else len(self._text)]

    def _skip_line(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = end + 1 if end >= 0 else len(self._text)


def _unescape(match: re.Match[str]) -> str:
    # An unknown escape stands as written, as shells have it: a pasted regular expression survives.
    return _ESCAPES.get(match.group(1), match.group(0))
