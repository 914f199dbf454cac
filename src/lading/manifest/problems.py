"""Problems of a manifest: where, which key, what is wrong and what to do about it."""

import datetime
import json
import re
from typing import Any

import msgspec

Path = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_VALUE = re.compile(
    r"-----BEGIN |^(sk|pk|rk)[-_][A-Za-z0-9_-]{16}|^gh[pousr]_[A-Za-z0-9]{20}|^xox[abprs]-|^AKIA[A-Z0-9]{12}"
    r"|^eyJ[A-Za-z0-9_-]{20}|://[^/@\s:]*:[^/@\s]+@"
    r"|[?&][A-Za-z_]*(token|key|secret|password)=[^&{]"
)
_LONGEST_SHOWN = 60  # characters of a value or a key that a message repeats


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One finding; ``str`` gives the line people read: ``lading.toml:14:9  services.web.ready  should be …``.

    ``line`` and ``column`` count from 1; 0 means that the place is not known. ``structural`` tells that the JSON
    Schema refuses it too.
    """

    file: str
    key: str
    text: str
    remedy: str = ""
    line: int = 0
    column: int = 0
    structural: bool = False

    @property
    def place(self) -> str:
        """Return ``file:line:column``, as far as it is known."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        message = f"{self.text}; {self.remedy}" if self.remedy else self.text
        return "  ".join(part for part in (self.place, self.key, message) if part)


class Found(msgspec.Struct, frozen=True):
    """A problem before its place was looked up: the path of keys, and whether the key or its value is meant."""

    path: Path
    text: str
    remedy: str = ""
    at_key: bool = False
    structural: bool = False


class Findings:
    """Collect what is wrong, so that a reader hears of everything at once."""

    def __init__(self) -> None:
        self.all: list[Found] = []

    def add(self, path: Path, text: str, remedy: str = "", *, at_key: bool = False, structural: bool = False) -> None:
        """Note one problem at ``path``."""
        self.all.append(Found(path, text, remedy, at_key, structural))

    def __len__(self) -> int:
        return len(self.all)


def escape(text: str) -> str:
    """Escape what a terminal would act upon."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def printable(text: str) -> str:
    """Escape, and shorten what nobody would read."""
    shown = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"
    return escape(shown)


def dotted(path: Path) -> str:
    """Write a path as TOML does, entries of lists in brackets counted from 1: ``smoke[2].expect.status``."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step + 1}]")
            continue
        name = step if _BARE_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
        parts.append(("." if parts else "") + printable(name))
    return "".join(parts)


def looks_like_secret(value: str) -> bool:
    """Tell whether a text has the form of a secret: a known kind of token, a private key, a URL with a password."""
    return _SECRET_VALUE.search(value) is not None


def show(value: Any, *, private: bool = False) -> str:
    """Write a value as a message repeats it: ``3``, ``"/ready"``, ``a table``; what may be a secret is not repeated."""
    if isinstance(value, str) and value and (private or looks_like_secret(value)):
        return "a text that is not shown here, as it may be a secret"
    if private and isinstance(value, bool | int | float):
        return "a truth value" if isinstance(value, bool) else "a number"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return printable(json.dumps(value, ensure_ascii=False)) if value else "an empty text"
    if isinstance(value, int | float):
        return printable(str(value))
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a date or time" if isinstance(value, datetime.date | datetime.time) else "something else"
