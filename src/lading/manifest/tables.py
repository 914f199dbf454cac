"""Kinds that hold others: lists, maps from names to values, and tables with fixed keys."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from lading.manifest.kinds import INVALID, LONGEST_GUESS, Kind
from lading.manifest.problems import Findings, Path, printable

_MOST_GUESSES = 500  # of one file


class Key:
    """One key of a table: its name, kind and meaning, and where the model keeps it.

    ``default`` and ``example`` are written as TOML for the reference; ``field`` is the model's name if it differs.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        meaning: str,
        *,
        example: str,
        default: str = "",
        required: bool = False,
        field: str = "",
    ) -> None:
        self.name, self.kind, self.meaning, self.example = name, kind, meaning, example
        self.default, self.required, self.field = default, required, field or name


class ListOf(Kind):
    """A list of values of one kind; a ``lone`` value stands for a list of one."""

    def __init__(
        self, item: Kind, should: str, *, lone: bool = False, unique: bool = False, private: bool = False
    ) -> None:
        self.item, self.should, self._lone, self._unique = item, should, lone, unique
        self.private = private or item.private
        self.name = f"{item.name} or list of them" if lone else f"list of {item.name}"

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return a tuple."""
        if not isinstance(value, list):
            if not self._lone:
                return self.refuse(value, path, findings)
            alone = self.item.read(value, path, findings)
            return INVALID if alone is INVALID else (alone,)
        items = [self.item.read(item, (*path, index), findings) for index, item in enumerate(value)]
        if any(item is INVALID for item in items):
            return INVALID
        if self._unique and len(set(items)) < len(items):
            first = {item: index for index, item in reversed(list(enumerate(items)))}
            again = next(index for index, item in enumerate(items) if first[item] < index)
            findings.add((*path, again), "is in the list already", "remove one of them", structural=True)
            return INVALID
        return tuple(items)

    def remedy(self, value: Any) -> str:
        """Say how a list is written."""
        return "put it in brackets" if isinstance(value, str) else ""

    def schema(self) -> dict[str, Any]:
        """Return an array, or one item where that may stand alone."""
        array: dict[str, Any] = {"type": "array", "items": self.item.schema()}
        if self._unique:
            array["uniqueItems"] = True
        return {"anyOf": [self.item.schema(), array]} if self._lone else array


class MapOf(Kind):
    """A table from names of one's own to values of one kind."""

    def __init__(self, item: Kind, should: str, *, names: str, name_rule: str, label: str = "NAME") -> None:
        self.item, self.should, self._names, self._rule, self.label = item, should, names, name_rule, label
        self.name = f"table of {item.name}"
        self.private = item.private

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return a dictionary in the order of the text."""
        if not isinstance(value, dict):
            return self.refuse(value, path, findings)
        before = len(findings)
        result: dict[str, Any] = {}
        for name, item in value.items():
            here = (*path, name)
            if not re.fullmatch(self._names, name):
                findings.add(here, f"is no name for this: {self._rule}", at_key=True, structural=True)
            result[name] = self.item.read(item, here, findings)
        return INVALID if len(findings) > before else result

    def remedy(self, value: Any) -> str:
        """Say how a table of names is written."""
        tables = isinstance(value, list) and any(isinstance(item, dict) for item in value)
        return "each has a name of its own, and the header single brackets" if tables else ""

    def schema(self) -> dict[str, Any]:
        """Return an object with a rule for its names."""
        return {
            "type": "object",
            "propertyNames": {"pattern": self._names},
            "additionalProperties": self.item.schema(),
        }


class Table(Kind):
    """A table with fixed keys, made into one value of the model.

    ``make`` takes the fields that were given; ``model`` is the type it makes, where it is not that type itself.
    ``foreign`` maps words of other tools to the key meant here; ``never`` maps keys that must not stand here to the
    reason; ``otherwise`` is the remedy for a key that is like none of these.
    """

    name = "table"

    def __init__(
        self,
        keys: tuple[Key, ...],
        make: Callable[..., Any],
        *,
        should: str = "a table",
        model: type | None = None,
        foreign: Mapping[str, str] | None = None,
        never: Mapping[str, str] | None = None,
        private: bool = False,
        otherwise: str = "",
    ) -> None:
        self._otherwise = otherwise
        self.keys = {key.name: key for key in keys}
        self.make, self.should, self.private = make, should, private
        self.model = model or (make if isinstance(make, type) else None)
        self._foreign, self._never = foreign or {}, never or {}

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the model's value."""
        if not isinstance(value, dict):
            return self.refuse(value, path, findings)
        before = len(findings)
        fields: dict[str, Any] = {}
        for name, item in value.items():
            key = self.keys.get(name)
            if key is None:
                self._refuse_key(name, (*path, name), findings)
            else:
                fields[key.field] = key.kind.read(item, (*path, name), findings)
        for key in self.keys.values():
            if key.required and key.name not in value:
                findings.add(
                    (*path, key.name), "is missing", f"write for example {key.name} = {key.example}", structural=True
                )
        return INVALID if len(findings) > before else self.make(**fields)

    def _refuse_key(self, name: str, path: Path, findings: Findings) -> None:
        if name in self._never:
            findings.add(path, self._never[name], at_key=True, structural=True)
            return
        # So many are no slips, and guessing at each would take long.
        remedy = self._guess(name) if len(findings) < _MOST_GUESSES else ""
        findings.add(path, "is not a key that Lading knows", remedy, at_key=True, structural=True)

    def _guess(self, name: str) -> str:
        if name in self._foreign:
            return f"use {self._foreign[name]}"
        if len(name) <= LONGEST_GUESS:
            import difflib

            close = difflib.get_close_matches(name.lower().replace("-", "_"), [*self.keys, *self._foreign], n=1)
            if close:
                return f'did you mean "{close[0]}"?' if close[0] in self.keys else f"use {self._foreign[close[0]]}"
        if self._otherwise:
            return self._otherwise
        known = ", ".join(self.keys)
        return f"{printable(name)} is none of: {known}" if len(self.keys) > 12 else f"the keys here are {known}"

    def schema(self) -> dict[str, Any]:
        """Return a closed object."""
        schema: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key.name: _described(key) for key in self.keys.values()},
        }
        required = [key.name for key in self.keys.values() if key.required]
        return {**schema, "required": required} if required else schema


class Either(Kind):
    """A short form and a table: a text stands for the table that ``widen`` makes of it."""

    def __init__(self, short: Kind, table: Table, widen: Callable[[Any], Any], *, should: str) -> None:
        self.short, self.table, self._widen, self.should = short, table, widen, should
        self.name = f"{short.name} or table"
        self.private = short.private or table.private

    def read(self, value: Any, path: Path, findings: Findings) -> Any:
        """Return the model's value of either form."""
        if isinstance(value, dict):
            return self.table.read(value, path, findings)
        if not isinstance(value, str):
            return self.refuse(value, path, findings)
        short = self.short.read(value, path, findings)
        return INVALID if short is INVALID else self._widen(short)

    def schema(self) -> dict[str, Any]:
        """Return both forms."""
        return {"anyOf": [self.short.schema(), self.table.schema()]}


def _described(key: Key) -> dict[str, Any]:
    return {"description": key.meaning, **key.kind.schema()}
