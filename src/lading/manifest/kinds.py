"""Kinds of values a key can have: each reads a value, says what it should be, and gives its part of the JSON Schema."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from lading.manifest.problems import Findings, Path, show

INVALID: Final = object()  # what reading gives when it noted a problem
LONGEST_GUESS = 64  # characters; a longer unknown word is no misspelling

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w))+$"
SIZE = r"^[0-9]+(\.[0-9]+)? ?(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$"


class Kind(ABC):
    """One kind of value. ``should`` completes "should be …"; ``name`` is what the reference calls it."""

    name: str
    should: str
    private: bool = False  # whether somebody may have put a secret there, so that no message repeats the value

    @abstractmethod
    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the value as the model holds it, or note a problem and return ``INVALID``."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the value."""

    def refuse(self, value: Any, path: Path, findings: Findings, *, structural: bool = True) -> Any:
        """Note that the value should be something else."""
        got = show(value, private=self.private)
        findings.add(path, f"should be {self.should}, got {got}", self.remedy(value), structural=structural)
        return INVALID

    def remedy(self, value: Any) -> str:  # noqa: ARG002 - for kinds that know what is usually meant
        """Return what to do about a value that is refused, empty where ``should`` says it all."""
        return ""


class Text(Kind):
    """A text, matching ``pattern`` where there is one.

    ``hints`` are (pattern, remedy) for common mistakes; ``judge`` returns a complaint for what no pattern can tell.
    """

    def __init__(
        self,
        should: str = "a text in quotes",
        *,
        name: str = "text",
        pattern: str | None = None,
        longest: int | None = None,
        hints: tuple[tuple[str, str], ...] = (),
        judge: Callable[[str], str | None] | None = None,
        private: bool = False,
    ) -> None:
        self.name, self.should, self.pattern, self.longest = name, should, pattern, longest
        self._hints, self._judge, self.private = hints, judge, private

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the text."""
        if not isinstance(value, str):
            return self.refuse(value, path, findings)
        too_long = self.longest is not None and len(value) > self.longest
        if too_long or (self.pattern is not None and not re.fullmatch(self.pattern, value)):
            return self.refuse(value, path, findings)
        if "\0" in value:
            findings.add(path, "holds a NUL character, which no program can be given")
            return INVALID
        complaint = self._judge(value) if self._judge is not None else None
        if complaint is not None:
            findings.add(path, complaint)
            return INVALID
        return value

    def remedy(self, value: Any) -> str:
        """Return the hint that fits."""
        if isinstance(value, str):
            return next((hint for pattern, hint in self._hints if re.search(pattern, value)), "")
        if isinstance(value, list):
            return "leave out the brackets" if len(value) == 1 else "write one text in quotes"
        return "put it in quotes" if isinstance(value, bool | int | float) else ""

    def schema(self) -> dict[str, Any]:
        """Return a string schema."""
        schema: dict[str, Any] = {"type": "string"}
        if self.pattern is not None:
            schema["pattern"] = self.pattern
        if self.longest is not None:
            schema["maxLength"] = self.longest
        return schema


class Choice(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        quoted = [f'"{word}"' for word in words]
        self.should = " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]
        self.name = " / ".join(f"`{word}`" for word in quoted)

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the word."""
        return value if isinstance(value, str) and value in self.words else self.refuse(value, path, findings)

    def remedy(self, value: Any) -> str:
        """Return the word that is spelt like it."""
        if not isinstance(value, str) or len(value) > LONGEST_GUESS:
            return ""
        import difflib

        close = difflib.get_close_matches(value.lower(), [word.lower() for word in self.words], n=1)
        found = next((word for word in self.words if close and word.lower() == close[0]), None)
        return f'did you mean "{found}"?' if found is not None else ""

    def schema(self) -> dict[str, Any]:
        """Return an enumeration."""
        return {"enum": list(self.words)}


class Flag(Kind):
    """true or false."""

    name = "true or false"
    should = "true or false"

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the truth value."""
        return value if isinstance(value, bool) else self.refuse(value, path, findings)

    def remedy(self, value: Any) -> str:
        """Say how truth is written."""
        return "write true or false, without quotes" if isinstance(value, str) else ""

    def schema(self) -> dict[str, Any]:
        """Return a boolean schema."""
        return {"type": "boolean"}


class Integer(Kind):
    """A whole number between two limits, both allowed."""

    name = "whole number"

    def __init__(self, should: str, *, least: int, most: int) -> None:
        self.should, self._least, self._most = should, least, most

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the number."""
        if isinstance(value, bool) or not isinstance(value, int) or not self._least <= value <= self._most:
            # To JSON 8000.0 is a whole number, to TOML it is not.
            return self.refuse(value, path, findings, structural=not _whole(value, self._least, self._most))
        return value

    def remedy(self, value: Any) -> str:
        """Say how numbers are written."""
        return number_remedy(value)

    def schema(self) -> dict[str, Any]:
        """Return an integer schema with its limits."""
        return {"type": "integer", "minimum": self._least, "maximum": self._most}


class Number(Kind):
    """A number between two limits, both allowed."""

    name = "number"

    def __init__(self, should: str, *, least: float, most: float) -> None:
        self.should, self._least, self._most = should, least, most

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the number as a float."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self._least <= value <= self._most:
            return self.refuse(value, path, findings)
        return float(value)

    def remedy(self, value: Any) -> str:
        """Say how numbers are written."""
        return number_remedy(value)

    def schema(self) -> dict[str, Any]:
        """Return a number schema with its limits."""
        return {"type": "number", "minimum": self._least, "maximum": self._most}


class Duration(Kind):
    """A time span: a number of seconds, or a text such as ``"10m"``; read as seconds."""

    name = "duration"

    def __init__(self, *, least: float = 0.0, most: float = 366 * 86400.0) -> None:
        self._least, self._most = least, most
        self.should = f'a time from {say_seconds(least)} to {say_seconds(most)} such as "30s" or "10m"'

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the seconds."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return self.refuse(value, path, findings)
        if isinstance(value, str):
            if not re.fullmatch(DURATION, value):
                findings.add(
                    path,
                    f"should be {self.should}, got {show(value)}",
                    "the units are ms, s, m, h, d and w, without a space",
                    structural=True,
                )
                return INVALID
            seconds = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)(ms|[smhdw])", value))
            return seconds if self._fits(seconds) else self.refuse(value, path, findings, structural=False)
        return float(value) if self._fits(value) else self.refuse(value, path, findings)

    def _fits(self, seconds: float) -> bool:
        return math.isfinite(seconds) and self._least <= seconds <= self._most

    def schema(self) -> dict[str, Any]:
        """Return a number or text; limits of the text form are left to the checker."""
        number = {"type": "number", "minimum": self._least, "maximum": self._most}
        return {"anyOf": [number, {"type": "string", "pattern": DURATION}]}


class Size(Kind):
    """An amount of memory or data: a number of bytes, or a text such as ``"512MB"``; read as bytes."""

    name = "size"
    _most = 2**50

    def __init__(self, should: str = 'a size of at least 4 MiB such as "512MB" or "1GiB"', *, least: int = 4 * 2**20):
        self.should, self._least = should, least

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the bytes."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            return self.refuse(value, path, findings, structural=not _whole(value, self._least, self._most))
        if isinstance(value, int):
            return value if self._least <= value <= self._most else self.refuse(value, path, findings)
        match = re.fullmatch(SIZE, value)
        if match is None:
            remedy = "the units are B, KB, MB, GB, TB (thousands) and KiB, MiB, GiB, TiB (1024)"
            findings.add(path, f"should be {self.should}, got {show(value)}", remedy, structural=True)
            return INVALID
        size = float(value[: match.start(2)]) * _BYTES[match[2]]
        return int(size) if self._least <= size <= self._most else self.refuse(value, path, findings, structural=False)

    def schema(self) -> dict[str, Any]:
        """Return an integer or text."""
        number = {"type": "integer", "minimum": self._least, "maximum": self._most}
        return {"anyOf": [number, {"type": "string", "pattern": SIZE}]}


class Json(Kind):
    """Any value that JSON has too."""

    name = "any value"
    should = "a value that JSON has: a text, number, truth value, list or table"
    _deepest = 32

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the value as it stands."""
        complaint = self._complaint(value)
        if complaint is None:
            return value
        findings.add(path, complaint)
        return INVALID

    def _complaint(self, value: Any) -> str | None:
        pending: list[tuple[Any, int]] = [(value, 0)]
        while pending:
            item, depth = pending.pop()
            if depth > self._deepest:
                return f"is nested deeper than {self._deepest} levels"
            if isinstance(item, dict):
                pending.extend((inner, depth + 1) for inner in item.values())
            elif isinstance(item, list):
                pending.extend((inner, depth + 1) for inner in item)
            elif isinstance(item, float) and not math.isfinite(item):
                return "holds inf or nan, which JSON does not have"
            elif isinstance(item, int) and not -(2**63) <= item < 2**63:
                return "holds a number of more than 64 bits"
            elif not isinstance(item, str | int | float):
                return "holds a date or time, which JSON does not have; put it in quotes"
        return None

    def schema(self) -> dict[str, Any]:
        """Return the schema that takes everything."""
        return {}


def _whole(value: Any, least: int, most: int) -> bool:
    """Tell whether a value is a float that JSON takes as a whole number within the limits."""
    return isinstance(value, float) and value.is_integer() and least <= value <= most


def number_remedy(value: Any) -> str:
    """Return what to do about a text that should be a number."""
    if not isinstance(value, str):
        return ""
    if re.fullmatch(r"-?[0-9.]{1,20}", value):
        return "leave out the quotes"
    return "one number, without quotes" if re.match(r"[0-9]", value) else ""


def say_seconds(seconds: float) -> str:
    """Write seconds in the largest unit that fits: ``0.5`` → ``500 ms``, ``604800`` → ``7 d``."""
    if 0 < seconds < 1:
        return f"{seconds * 1000:g} ms"
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
