"""Reads which packages a repository asks for, by name, wherever it says so."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from lading.survey.files import Repository

PACKAGE = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?")


def read_toml(repository: Repository, name: str) -> dict[str, Any] | None:
    """Return what a TOML file says, an empty table when it is not there, None when it is broken."""
    text = repository.text(name)
    if text is None:
        return {}
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def table(data: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return the table at some keys, an empty one where there is none."""
    for key in keys:
        value = data.get(key)
        data = value if isinstance(value, dict) else {}
    return data


def requirement_lines(repository: Repository, at: str, names: list[str]) -> Iterator[str]:
    """Give the lines of requirements files and of those they name, without comments."""
    pending, seen = [at + name for name in names], set[str]()
    while pending:
        name = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for line in (repository.text(name) or "").splitlines():
            plain = re.sub(r"(^|\s)#.*$", "", line).strip()
            nested = re.match(r"(?:-r|--requirement)[ =]?\s*(\S+)", plain)
            if nested and ".." not in nested[1]:
                pending.append(str(PurePosixPath(name).parent / nested[1]))
            elif plain:
                yield plain


def is_pinned(text: str) -> bool:
    """Tell whether every requirement of a file names an exact version and a hash."""
    logical = re.sub(r"\\\r?\n", " ", text)
    lines = [re.sub(r"(^|\s)#.*$", "", line).strip() for line in logical.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("-")]
    nested = any(re.match(r"(-r|--requirement|-e|--editable)\b", line) for line in lines)
    return bool(wanted) and not nested and all("==" in line and "--hash" in line for line in wanted)


def package_names(repository: Repository, at: str, data: dict[str, Any], lines: list[str]) -> frozenset[str]:
    """Return the names of all packages asked for, with each extra once more: ``fastapi``, ``fastapi[standard]``."""
    listed = table(data, "project").get("dependencies")
    declared = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
    pipfile = table(read_toml(repository, f"{at}Pipfile") or {}, "packages")
    return frozenset(
        {
            *_names(declared),
            *_names(lines),
            *_with_extras(table(data, "tool", "poetry", "dependencies")),
            *_with_extras(pipfile),
        }
    )


def _names(lines: list[str]) -> Iterator[str]:
    for line in lines:
        match = PACKAGE.match(line) if not line.startswith("-") else None
        if match:
            yield normal(match[1])
            for extra in (match[2] or "").strip("[]").split(","):
                yield f"{normal(match[1])}[{extra.strip().lower()}]"


def _with_extras(packages: dict[str, Any]) -> Iterator[str]:
    for name, value in packages.items():
        yield normal(name)
        extras = value.get("extras") if isinstance(value, dict) else None
        yield from (f"{normal(name)}[{extra}]" for extra in (extras if isinstance(extras, list) else []))


def normal(name: str) -> str:
    """Return a package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def doubtful(lines: list[str]) -> Iterator[str]:
    """Give a sentence for each requirement that a bundle cannot take."""
    for line in lines:
        if re.match(r"(-e|--editable)\b|\.{1,2}/|\.$|\.\[|file:", line) or "git+" in line:
            shown = re.sub(r"//[^/@\s]+@", "//•••@", line)[:60]
            yield f"{shown}: a bundle takes published packages only; the source itself is on Python's path anyway"
