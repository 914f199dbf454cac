"""The text of a manifest and its TOML meaning; whatever the file holds, the outcome is data or one clear error."""

import re
import tomllib
from pathlib import Path
from stat import S_ISREG
from typing import Any

from lading.manifest.problems import Problem, dotted, escape
from lading.model.errors import LadingError

FILE_NAME = "lading.toml"
LARGEST = 256 * 1024  # bytes; a hundred times what a large project writes
LONGEST_LINE = 4096  # characters
MOST_PARTS = 32  # of a dotted key; the TOML reader handles them in quadratic time and space
_DOTTED = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"]*+"|'[^']*+')[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}""")

_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_REMEDIES = (
    ("Invalid value", 'texts stand in quotes, as in name = "web"; truth values are true and false'),
    ("Cannot overwrite a value", "a key is written once in a table; remove one of them"),
    ("Cannot mutate immutable namespace", "a table written in { } is whole; put further keys inside of it"),
    ("Cannot declare", "a table is written once; put its keys together"),
    ("Duplicate inline table key", "a key is written once in a table; remove one of them"),
    ("Expected '=' after a key", "a line is a table such as [services.web] or a key such as port = 8000"),
    ("Invalid statement", "a line is a table such as [services.web] or a key such as port = 8000"),
    ("Unterminated string", "close the quotes"),
    ("Illegal character", 'a text ends on its own line; several lines stand in """'),
    ("Expected newline or end of document", "one key a line; does a text lack its quotes?"),
    ("Unclosed array", "close the list with ]"),
    ("Unclosed inline table", "a table in { } ends on its own line, without a comma before the }"),
    ("Invalid initial character", "a table in { } has no comma before the }; other keys of letters stand in quotes"),
    ("Invalid hex value", "write \\\\ for a backslash, or use single quotes"),
    ("Unescaped '\\'", "write \\\\ for a backslash, or use single quotes"),
    ("Expected ']' at the end of a table", "close the bracket; a name with spaces or accents stands in quotes"),
)
# What stands at the place of an error often says more than the reader does; the first that fits is told.
_SIGHTS = (
    (re.compile(r"<<<<<<< |=======$|>>>>>>> "), "a merge left this here: decide for one side"),
    (re.compile(r"[\u2018-\u201f\u00ab\u00bb]"), 'write straight quotes: "'),
    (re.compile(r"[\u00a0\u2000-\u200f\u202f\u205f\u2060\u3000\ufeff]"), "write an ordinary space instead of this one"),
    (re.compile(r"\s*//"), "comments begin with #"),
    (re.compile(r"\{"), "this looks like JSON, and a manifest is TOML: lading init --print shows one"),
    (re.compile(r"(True|False)\b"), "write true or false, in small letters"),
    (re.compile(r"(None|null|nil)\b"), "leave the key out"),
    (re.compile(r"\0"), "remove the NUL character"),
    (re.compile(r";"), "lines end without ;"),
)


def read_text(path: Path) -> str:
    """Return the file's text. Raise ``manifest-missing`` or ``manifest-invalid`` when it is no readable text file."""
    try:
        if not S_ISREG(path.stat().st_mode):
            raise _unreadable(path, "it is not a regular file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LadingError(
            "manifest-missing",
            doing="reading the manifest",
            happened=f"there is no file {path}",
            now="nothing was changed",
            hint=f"go to the directory that holds {FILE_NAME}, or have one written: lading init",
        ) from error
    except ValueError as error:
        raise _unreadable(path, "its path holds a NUL character") from error
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    return decode(data, path.name)


def decode(data: bytes, filename: str) -> str:
    """Return the bytes as text. Raise ``manifest-invalid`` for what is too large or no UTF-8."""
    if len(data) > LARGEST:
        raise invalid([_whole(filename, f"is larger than {LARGEST // 1024} KiB", "is this the right file?")])
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise invalid([_whole(filename, "is UTF-32, and TOML is UTF-8", "save it as UTF-8")])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or _looks_wide(data):
        raise invalid([_whole(filename, "is UTF-16, and TOML is UTF-8", "save it as UTF-8")])
    if data.startswith(b"\xef\xbb\xbf"):
        remedy = 'save it as "UTF-8 without BOM"'
        raise invalid([_whole(filename, "starts with a byte order mark, which TOML does not allow", remedy)])
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode()) + 1
        problem = Problem(
            file=filename,
            key="",
            text=f"byte 0x{data[error.start]:02x} is no UTF-8",
            remedy="save it as UTF-8",
            line=line,
            column=column,
        )
        raise invalid([problem]) from error


def _looks_wide(data: bytes) -> bool:
    """Tell whether every second byte is NUL, as in UTF-16 without a mark."""
    head = data[:64]
    return len(head) >= 8 and (not any(head[::2]) or not any(head[1::2]))


def parse(text: str, filename: str) -> dict[str, Any]:
    """Return what the TOML says. Raise ``manifest-invalid`` with the place of the syntax error."""
    if len(text.encode(errors="surrogatepass")) > LARGEST:
        raise invalid([_whole(filename, f"is larger than {LARGEST // 1024} KiB", "is this the right file?")])
    for number, line in enumerate(text.split("\n"), start=1):
        problem = _too_long(line, number, filename)
        if problem is not None:
            raise invalid([problem])
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise invalid([_whole(filename, "is nested too deep to be read", "no key needs so many levels")]) from error
    except tomllib.TOMLDecodeError as error:
        raise invalid([_syntax_problem(error, text, filename)]) from error
    except ValueError as error:
        # Python's own limit on the digits of a number, which may be set as low as 640, comes through as it is.
        raise invalid([_whole(filename, "holds a number that is too long", "no key takes such numbers")]) from error


def invalid(problems: list[Problem]) -> LadingError:
    """Return the error that lists the problems, one a line."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return LadingError(
        "manifest-invalid",
        doing="reading the manifest",
        happened=f"{problems[0].file} has {count}",
        now="nothing was changed",
        hint=f"correct {'it' if len(problems) == 1 else 'them'} and run lading check",
        details=tuple(str(problem) for problem in problems),
    )


def _too_long(line: str, number: int, filename: str) -> Problem | None:
    if len(line) > LONGEST_LINE:
        said, remedy, column = (
            f"the line has {len(line)} characters, more than {LONGEST_LINE}",
            "break it",
            LONGEST_LINE,
        )
    elif line.count(".") >= MOST_PARTS and (found := _DOTTED.search(line)) is not None:
        said, remedy = f"a key has more than {MOST_PARTS} parts", "no key of a manifest has that many"
        column = found.start()
    else:
        return None
    return Problem(file=filename, key="", text=said, remedy=remedy, line=number, column=column + 1)


def _syntax_problem(error: tomllib.TOMLDecodeError, text: str, filename: str) -> Problem:
    message = str(error)
    match = _PLACE.search(message)
    said = message[: match.start()] if match else message
    remedy = next((hint for start, hint in _REMEDIES if said.startswith(start)), "")
    if said.startswith(("Cannot overwrite", "Cannot declare", "Cannot mutate", "Duplicate inline")):
        repeated = _repetition(text, filename, remedy)
        if repeated is not None:
            return repeated
    lines = text.split("\n")
    line, column = len(lines), len(lines[-1]) + 1
    if match and match[1]:
        line, column = int(match[1]), int(match[2])
        remedy = _seen(lines[line - 1], column) or remedy
    elif said.startswith("Invalid value"):
        said, remedy = "The text ends in the middle of a value", "is a list or a table in { } left open?"
    return Problem(file=filename, key="", text=_own_words(said), remedy=remedy, line=line, column=column)


def _seen(line: str, column: int) -> str:
    """Return what to do about what stands at a place."""
    seen = next((remedy for sight, remedy in _SIGHTS if sight.match(line, column - 1)), "")
    if not seen and re.search(r"[=\[,]\s*[+-]?0$", line[: column - 1]) and line[column - 1 : column].isdigit():
        return "numbers have no leading zero"
    return seen


def _own_words(said: str) -> str:
    plain = escape(said)
    return f"is no TOML: {plain[:1].lower()}{plain[1:]}"


def _repetition(text: str, filename: str, remedy: str) -> Problem | None:
    """Name the key that is written twice: the reader tells its end only."""
    # Imported here: a manifest without problems needs no places.
    from lading.manifest.places import Places

    repeated = Places(text).repeated
    if not repeated:
        return None
    path, place = min(repeated, key=lambda item: item[1])
    return Problem(
        file=filename, key=dotted(path), text="is written twice", remedy=remedy, line=place.line, column=place.column
    )


def _whole(filename: str, text: str, remedy: str) -> Problem:
    return Problem(file=filename, key="", text=text, remedy=remedy)


def _unreadable(path: Path, reason: str) -> LadingError:
    return LadingError(
        "manifest-invalid",
        doing="reading the manifest",
        happened=f"{path} cannot be read: {reason}",
        now="nothing was changed",
        hint="see that it is a text file that you may read",
    )
