"""Whether an answer's JSON holds what a check expects of it."""

import json
from typing import Any


def difference(expected: Any, actual: Any, place: str = "json") -> str:
    """Return the first place where ``actual`` does not contain ``expected``, in words; empty when it does.

    A table is contained when each of its keys is there and its value contained: other keys may be there too. A list
    is contained when it is as long and each element is contained in the one at its place. Everything else must be
    equal: 1 and 1.0 are, ``true`` and 1 are not.
    """
    if isinstance(expected, dict):
        return _table_difference(expected, actual, place)
    if isinstance(expected, list | tuple):
        return _list_difference(expected, actual, place)
    # bool is a kind of int in Python, but not in JSON.
    if isinstance(expected, bool) != isinstance(actual, bool) or expected != actual:
        return f"{place} is {show(actual)}, expected {show(expected)}"
    return ""


def _table_difference(expected: dict[Any, Any], actual: Any, place: str) -> str:
    if not isinstance(actual, dict):
        return f"{place} is {show(actual)}, expected a table"
    for key, wanted in expected.items():
        if key not in actual:
            return f"{place}.{key} is missing"
        found = difference(wanted, actual[key], f"{place}.{key}")
        if found:
            return found
    return ""


def _list_difference(expected: list[Any] | tuple[Any, ...], actual: Any, place: str) -> str:
    if not isinstance(actual, list | tuple):
        return f"{place} is {show(actual)}, expected a list"
    if len(expected) != len(actual):
        return f"{place} has {len(actual)} elements, expected {len(expected)}"
    for index, (wanted, given) in enumerate(zip(expected, actual, strict=True)):
        found = difference(wanted, given, f"{place}[{index}]")
        if found:
            return found
    return ""


def show(value: Any) -> str:
    """Show a value as JSON, for a reason."""
    return json.dumps(value, ensure_ascii=False, default=str)


def pick(data: Any, path: str) -> Any:
    """Return the value at a dotted path (``data.0.token``: keys, and indexes of lists); KeyError when there is none."""
    for part in path.split("."):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            raise KeyError(path)
    return data
