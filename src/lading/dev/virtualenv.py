"""The project's own virtual environment: where it is looked for, and how one is made."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lading.model.errors import LadingError

FOLDERS = (".venv", "venv")
FALLBACK_PATH = "/usr/local/bin:/usr/bin:/bin"


class Candidate(NamedTuple):
    """A place where the environment may be, and why it is looked for there."""

    root: Path
    reason: str

    @property
    def is_one(self) -> bool:
        """Whether there is a Python that runs."""
        return os.access(self.root / "bin" / "python", os.X_OK)


def find(directory: Path, locks: Iterable[str], environ: Mapping[str, str], own: str = sys.prefix) -> Path:
    """Return the root of the virtual environment of the project in a directory.

    In this order: the active one, that of ``UV_PROJECT_ENVIRONMENT``, ``.venv`` and ``venv`` in the project or above it
    within its repository, an active conda environment. ``own`` is the one Lading runs in: active, it counts last.
    Raise ``no-virtualenv`` with all places and the command that makes one from the pinned files ``locks``.
    """
    looked = list(_candidates(directory, environ, own))
    for candidate in looked:
        if candidate.is_one:
            return candidate.root
    raise LadingError(
        "no-virtualenv",
        doing=f"looking for the project's virtual environment for {directory}",
        happened="there is none with a Python that runs",
        details=tuple(f"{candidate.root}  {candidate.reason}".rstrip() for candidate in looked),
        now="nothing was started",
        hint=making(locks),
    )


def _candidates(directory: Path, environ: Mapping[str, str], own: str) -> Iterator[Candidate]:
    active = environ.get("VIRTUAL_ENV", "")
    is_own = bool(active) and Path(active).resolve() == Path(own).resolve()
    if active and not is_own:
        yield Candidate(Path(active), "(VIRTUAL_ENV)")
    named = environ.get("UV_PROJECT_ENVIRONMENT", "")
    if named:
        yield Candidate(directory / named, "(UV_PROJECT_ENVIRONMENT)")
    for place in _up_to_repository(directory):
        yield from (Candidate(place / folder, "") for folder in FOLDERS)
    if environ.get("CONDA_PREFIX") and environ.get("CONDA_DEFAULT_ENV", "base") != "base":
        yield Candidate(Path(environ["CONDA_PREFIX"]), "(CONDA_PREFIX)")
    if is_own:
        yield Candidate(Path(active), "(VIRTUAL_ENV, which Lading runs in)")


def _up_to_repository(directory: Path) -> Iterator[Path]:
    for place in (directory, *directory.parents):
        yield place
        if (place / ".git").exists():
            return
        if place == directory and not any((above / ".git").exists() for above in directory.parents):
            return


def making(locks: Iterable[str]) -> str:
    """Return the command that makes ``.venv`` from the pinned files of the manifest's builds."""
    files = list(dict.fromkeys(locks))
    if any(Path(file).name == "uv.lock" for file in files):
        return "uv sync --frozen"
    return f"uv venv .venv && uv pip sync --python .venv/bin/python {' '.join(files) or 'requirements.txt'}"


def search_path(root: Path, environ: Mapping[str, str], own: str = sys.prefix) -> str:
    """Return the search path of the project's programs: its environment's first, Lading's own never."""
    hidden = str(Path(own) / "bin") if Path(own).resolve() != root.resolve() else ""
    entries = [entry for entry in environ.get("PATH", "").split(os.pathsep) if entry and entry != hidden]
    return os.pathsep.join([str(root / "bin"), *(entries or FALLBACK_PATH.split(os.pathsep))])
