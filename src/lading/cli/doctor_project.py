"""Checks of a project: its manifest, environment files that git tracks, packages that are not pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lading.cli.project import MANIFEST
from lading.cli.source import git
from lading.doctor.finding import Finding, found, well
from lading.doctor.registry import Check
from lading.model.errors import LadingError

_ENVIRONMENT_FILE = re.compile(r"\.env(\.[^/]*)?")
_SAMPLE = (".example", ".sample", ".template", ".dist")
_PINNED = re.compile(r"==\s*[^\s*]+")


def manifest(directory: Path) -> Iterator[Finding]:
    """Check the manifest."""
    from lading.manifest import check

    try:
        checked = check(directory / MANIFEST)
    except LadingError as error:
        yield found("manifest", MANIFEST, error.happened, error.hint)
        return
    if checked.problems:
        first = checked.problems[0]
        more = f" (and {len(checked.problems) - 1} more)" if len(checked.problems) > 1 else ""
        yield found("manifest", MANIFEST, f"{first}{more}")
        return
    yield well(MANIFEST, "valid")
    for warning in checked.warnings:
        yield found("manifest-advice", MANIFEST, str(warning))


def environment_files(directory: Path) -> Iterator[Finding]:
    """Ask git which environment files it tracks."""
    tracked = git(directory, "ls-files", "-z", "--", ".")
    if tracked is None:
        yield found("not-checked", "git", "this is no git repository, and releases are built from commits", "git init")
        return
    files = [name for name in tracked.split("\0") if _holds_variables(name)]
    for name in files:
        remedy = f"git rm --cached {name}; add it to .gitignore; change the secrets in it: the history still has them"
        yield found("env-tracked", name, "is tracked by git", remedy)
    if not files:
        yield well("environment files", "none is tracked by git")


def _holds_variables(name: str) -> bool:
    last = name.rpartition("/")[2].lower()
    return _ENVIRONMENT_FILE.fullmatch(last) is not None and not last.endswith(_SAMPLE)


def pins(directory: Path) -> Iterator[Finding]:
    """Look whether requirements files pin every package by version and hash."""
    from lading.cli.project import read

    try:
        builds = read(directory / MANIFEST).build
    except LadingError:
        # The manifest's own check has said so.
        return
    for build in builds.values():
        path = directory / build.context / (build.bundle or "")
        if build.bundle is None or path.suffix != ".txt":
            continue
        loose = list(_loose(path))
        if loose:
            yield found("unpinned", build.bundle, f"not pinned by version and hash: {', '.join(loose[:3])}")
        else:
            yield well(build.bundle, "every package is pinned")


def _loose(path: Path) -> Iterator[str]:
    if not path.exists():
        yield "the file is missing"
        return
    for line in path.read_text().replace("\\\n", " ").splitlines():
        words = line.partition(" #")[0].strip()
        if words and not words.startswith(("#", "-")) and not (_PINNED.search(words) and "--hash=" in words):
            yield words.split()[0]


PROJECT: tuple[Check[Path], ...] = (manifest, environment_files, pins)
