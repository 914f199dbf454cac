"""Finds where dependencies stand, which file a bundle can be built from, and the commands that pin them."""

import re
import shlex
import sys
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from lading.survey.files import Repository, is_aside
from lading.survey.packages import doubtful, is_pinned, package_names, read_toml, requirement_lines, table
from lading.survey.values import Dependencies

PYPROJECT = "pyproject.toml"
# What people call the file of what production needs, best first.
REQUIREMENTS = (
    "requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt",
    "requirements/requirements.txt", "requirements-prod.txt", "requirements_prod.txt", "requirements/main.txt",
)  # fmt: skip
SOURCES = ("requirements.in", "requirements/production.in", "requirements/prod.in", "requirements/base.in")
SETUPS = ("setup.py", "setup.cfg")
MARKERS = (PYPROJECT, *REQUIREMENTS, *SOURCES, "Pipfile", *SETUPS)
USUAL_PLACES = ("backend", "server", "api", "app", "web", "src")
# Locks of other tools, and the commands that write what they lock with hashes.
EXPORTS = {
    "poetry.lock": "uvx --quiet --with poetry-plugin-export poetry export --output requirements.txt",
    "Pipfile.lock": "uvx --quiet pipenv requirements --hash > requirements.txt",
}
COMPILE = "uv pip compile --quiet --generate-hashes"


def find_context(repository: Repository) -> tuple[str, tuple[str, ...]]:
    """Return the directory that holds the backend's dependencies, and the others that hold some too."""
    found: set[str] = set()
    for name in repository.files:
        marker = next((one for one in MARKERS if name == one or name.endswith(f"/{one}")), None)
        if marker is not None and not is_aside(name) and _counts(repository, name):
            found.add(name[: -len(marker)].rstrip("/") or ".")
    places = [place for place in found if place.count("/") < 2 and PurePosixPath(place).name != "requirements"]
    places.sort(key=lambda place: (place != ".", place.count("/"), _rank(place), place))
    return (places[0], tuple(places[1:])) if places else (".", ())


def _rank(place: str) -> int:
    last = PurePosixPath(place).name
    return USUAL_PLACES.index(last) if last in USUAL_PLACES else len(USUAL_PLACES)


def _counts(repository: Repository, name: str) -> bool:
    """Tell whether a file of that name says what is needed; a pyproject.toml may be of tools alone."""
    if not name.endswith(PYPROJECT):
        return True
    data = read_toml(repository, name)
    return data is None or "project" in data or "poetry" in table(data, "tool")


class _Place:
    """One directory with its files of dependencies."""

    def __init__(self, repository: Repository, context: str) -> None:
        self.repository = repository
        self.at = "" if context == "." else f"{context}/"
        read = read_toml(repository, f"{self.at}{PYPROJECT}")
        self.broken = read is None
        self.data: dict[str, Any] = read or {}
        self.requirements = next((name for name in REQUIREMENTS if self.has(name)), None)
        self.source = next((name for name in SOURCES if self.has(name)), None)

    def has(self, name: str) -> bool:
        return self.repository.has(self.at + name)

    @property
    def has_pinned(self) -> bool:
        return self.requirements is not None and is_pinned(self.repository.text(self.at + self.requirements) or "")


class _Choice(NamedTuple):
    """The file that says what is needed, the bundle's file, the commands that make it; none when it is there."""

    source: str
    bundle: str
    commands: tuple[str, ...] = ()


def _uv_lock(place: _Place) -> _Choice | None:
    return _Choice("uv.lock", "uv.lock") if "project" in place.data and place.has("uv.lock") else None


def _pinned(place: _Place) -> _Choice | None:
    return _Choice(place.requirements, place.requirements) if place.has_pinned and place.requirements else None


def _other_lock(place: _Place) -> _Choice | None:
    lock = next((name for name in EXPORTS if place.has(name)), None)
    return _Choice(lock, "requirements.txt", (EXPORTS[lock],)) if lock is not None else None


def _project(place: _Place) -> _Choice | None:
    listed = "dependencies" in table(place.data, "project")
    return _Choice(PYPROJECT, "uv.lock", ("uv lock --quiet",)) if listed else None


def _source_file(place: _Place) -> _Choice | None:
    if place.source is None:
        return None
    target = f"{place.source.removesuffix('.in')}.txt"
    return _Choice(place.source, target, (f"{COMPILE} {place.source} -o {target}",))


def _requirements(place: _Place) -> _Choice | None:
    if place.requirements is None:
        return None
    renamed = f"{place.requirements.removesuffix('.txt')}.in"
    commands = (f"mv {place.requirements} {renamed}", f"{COMPILE} {renamed} -o {place.requirements}")
    return _Choice(place.requirements, place.requirements, commands)


def _poetry(place: _Place) -> _Choice | None:
    if "poetry" not in table(place.data, "tool"):
        return None
    return _Choice(PYPROJECT, "requirements.txt", (f"{COMPILE} {PYPROJECT} -o requirements.txt",))


def _pipfile(place: _Place) -> _Choice | None:
    if not place.has("Pipfile"):
        return None
    return _Choice("Pipfile", "requirements.txt", ("uvx --quiet pipenv lock", EXPORTS["Pipfile.lock"]))


def _bare_project(place: _Place) -> _Choice | None:
    return _Choice(PYPROJECT, "uv.lock", ("uv lock --quiet",)) if "project" in place.data else None


def _setup(place: _Place) -> _Choice | None:
    name = next((name for name in SETUPS if place.has(name)), None)
    return _Choice(name, "requirements.txt", (f"{COMPILE} {name} -o requirements.txt",)) if name is not None else None


RULES: tuple[Callable[[_Place], _Choice | None], ...] = (
    _uv_lock,
    _pinned,
    _other_lock,
    _project,
    _source_file,
    _requirements,
    _poetry,
    _pipfile,
    _bare_project,
    _setup,
)


def find_dependencies(repository: Repository, context: str, imported: set[str]) -> Dependencies:
    """Return how the dependencies of a directory stand; ``imported`` are packages that its code imports."""
    place = _Place(repository, context)
    choice = next((found for rule in RULES if (found := rule(place)) is not None), None)
    commands = choice.commands if choice is not None else _from_imports(imported)
    names = [name for name in (place.requirements, place.source) if name is not None]
    lines = list(requirement_lines(repository, place.at, names))
    project, poetry = table(place.data, "project"), table(place.data, "tool", "poetry", "dependencies")
    doubts = [f"{place.at}{PYPROJECT} is no TOML, so nothing was read from it"] if place.broken else []
    if place.has("pdm.lock") and choice is not None and choice.bundle == "uv.lock":
        doubts.append(f"{place.at}pdm.lock is not read: uv resolves anew, and may choose other versions")
    return Dependencies(
        context=context,
        source=place.at + choice.source if choice is not None else "",
        bundle=choice.bundle if choice is not None else "requirements.txt",
        pinned=choice is not None and not choice.commands,
        commands=commands if context == "." else tuple(f"({_cd(context)} && {command})" for command in commands),
        packages=package_names(repository, place.at, place.data, lines),
        python=str(project.get("requires-python") or poetry.get("python") or ""),
        doubts=(*doubts, *doubtful(lines)),
    )


def _from_imports(imported: set[str]) -> tuple[str, ...]:
    compile_them = f"{COMPILE} requirements.in -o requirements.txt"
    if not imported:
        return (compile_them,)
    listed = shlex.quote("\\n".join(sorted(imported)) + "\\n")
    return (f"printf {listed} > requirements.in", compile_them)


def _cd(context: str) -> str:
    return f"cd {shlex.quote(context)}"


def python_doubt(wanted: str) -> str:
    """Return what is wrong with running on this Python, empty when nothing is."""
    here = (sys.version_info.major, sys.version_info.minor)
    for sign, major, minor in re.findall(r"(>=|\^|~=|==|~|<)\s*(\d+)\.(\d+)", wanted):
        asked = (int(major), int(minor))
        too_old = sign != "<" and here < asked
        too_new = (sign == "<" and here >= asked) or (sign in ("==", "~") and here > asked)
        if too_old or too_new:
            here_is = f"{here[0]}.{here[1]}"
            return f"it asks for Python {wanted[:40]}, and Lading runs on {here_is}: install Lading with such a Python"
    return ""
