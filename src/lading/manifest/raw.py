"""Careful steps through what the TOML says: a value of the wrong type counts as absent."""

from collections.abc import Iterator
from typing import Any

from lading.manifest.problems import Path


def table(data: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the table at the key, an empty one if there is none."""
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def tables(data: dict[str, Any], key: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give each named table below the key with its path: ``("services", "web")``."""
    for name, value in table(data, key).items():
        if isinstance(value, dict):
            yield (key, name), value


def items(data: dict[str, Any], key: str) -> Iterator[tuple[str, Any]]:
    """Give each name and value of the table at the key."""
    yield from table(data, key).items()


def text(data: dict[str, Any], key: str) -> str | None:
    """Return the text at the key, None if there is none."""
    value = data.get(key)
    return value if isinstance(value, str) else None


def listed(data: dict[str, Any], key: str, *, bare: bool = False) -> list[tuple[Path, str]]:
    """Return each text of the list at the key with its path from here; ``bare`` leaves the key out of that path."""
    value = data.get(key)
    entries = value if isinstance(value, list) else []
    return [((index,) if bare else (key, index), item) for index, item in enumerate(entries) if isinstance(item, str)]
