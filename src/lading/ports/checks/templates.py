"""``{{NAME}}`` in a check: a secret of that name, or a value that an earlier step captured."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from lading.model.secret import Secret

_NAME = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")


class UnknownName(Exception):
    """A template names what is neither a secret of the environment nor captured before."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is neither a secret of this environment nor captured by an earlier step")


def fill(text: str, values: Mapping[str, Secret], encode: Callable[[str], str] = str) -> str:
    """Replace each ``{{NAME}}`` by its value, passed through ``encode``; raise :class:`UnknownName`.

    A value is taken as it is: what looks like a template inside of it stays.
    """
    return _NAME.sub(lambda match: encode(look_up(match[1], values)), text)


def fill_path(path: str, values: Mapping[str, Secret]) -> str:
    """Fill a path and query; every character of a value that could end or split either is percent-encoded."""
    return fill(path, values, lambda value: quote(value, safe=""))


def fill_json(data: Any, values: Mapping[str, Secret]) -> Any:
    """Fill every string within JSON data; keys, numbers and the shape stay."""
    if isinstance(data, str):
        return fill(data, values)
    if isinstance(data, dict):
        return {key: fill_json(item, values) for key, item in data.items()}
    if isinstance(data, list | tuple):
        return [fill_json(item, values) for item in data]
    return data


def look_up(name: str, values: Mapping[str, Secret]) -> str:
    """Return the plain value of a name; raise :class:`UnknownName`."""
    if name not in values:
        raise UnknownName(name)
    return values[name].reveal()
