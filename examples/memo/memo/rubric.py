"""The rubric: what a memo is scored by, read from the configuration directory."""

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

WHOLE = 100  # what the weights of all criteria add up to


class RubricError(ValueError):
    """The rubric cannot be used; the text says why."""


class Criterion(NamedTuple):
    """One thing to look for: its signs are patterns, its weight the points for all of them."""

    name: str
    weight: int
    signs: tuple[re.Pattern[str], ...]
    advice: str


class Rubric(NamedTuple):
    """All criteria; a text with fewer than ``shortest`` words is no memo."""

    version: str
    shortest: int
    criteria: tuple[Criterion, ...]


def read_rubric(directory: Path) -> Rubric:
    """Read ``rubric.toml`` from a directory; raise RubricError when it is missing or makes no sense."""
    try:
        table = tomllib.loads((directory / "rubric.toml").read_text("utf-8"))
        criteria = tuple(_criterion(row) for row in table["criteria"])
        rubric = Rubric(str(table["version"]), int(table["shortest"]), criteria)
    except (OSError, KeyError, TypeError, ValueError, re.error) as error:
        raise RubricError(f"rubric.toml: {error}") from error
    total = sum(criterion.weight for criterion in criteria)
    if total != WHOLE:
        raise RubricError(f"rubric.toml: the weights add up to {total}, not {WHOLE}")
    return rubric


def _criterion(row: dict[str, object]) -> Criterion:
    signs = row["signs"]
    if not isinstance(signs, list) or not signs:
        raise ValueError(f"criterion {row['name']} has no signs")
    return Criterion(
        name=str(row["name"]),
        weight=int(str(row["weight"])),
        signs=tuple(re.compile(str(sign), re.IGNORECASE) for sign in signs),
        advice=str(row["advice"]),
    )
