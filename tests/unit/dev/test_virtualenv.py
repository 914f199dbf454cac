"""The project's own virtual environment: found where people keep it, or told where it was looked for."""

import sys
from pathlib import Path

import pytest

from lading.dev.virtualenv import find, search_path
from lading.model.errors import LadingError


def _made(root: Path) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "python").symlink_to(sys.executable)
    return root


def test_the_active_one_goes_first(tmp_path: Path) -> None:
    """Who activated an environment means it."""
    _made(tmp_path / ".venv")
    active = _made(tmp_path / "elsewhere")
    assert find(tmp_path, [], {"VIRTUAL_ENV": str(active)}) == active


def test_the_one_lading_runs_in_counts_last(tmp_path: Path) -> None:
    """Lading's own environment is activated to run Lading; the project's goes before, but any is better than none."""
    own = _made(tmp_path / "lading")
    environ = {"VIRTUAL_ENV": str(own)}
    assert find(tmp_path, [], environ, own=str(own)) == own
    theirs = _made(tmp_path / ".venv")
    assert find(tmp_path, [], environ, own=str(own)) == theirs


@pytest.mark.parametrize("folder", [".venv", "venv"])
def test_the_projects_folder_is_found_up_to_the_repository(tmp_path: Path, folder: str) -> None:
    """A project in a folder of a repository may share the repository's environment, and none beyond it."""
    _made(tmp_path / folder)
    project = tmp_path / "repository" / "services" / "shop"
    project.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    with pytest.raises(LadingError):
        find(project, [], {})
    shared = _made(tmp_path / "repository" / folder)
    assert find(project, [], {}) == shared


def test_uv_may_be_told_another_place(tmp_path: Path) -> None:
    """``UV_PROJECT_ENVIRONMENT`` says where uv keeps the project's environment."""
    _made(tmp_path / ".venv")
    other = _made(tmp_path / "environments" / "shop")
    assert find(tmp_path, [], {"UV_PROJECT_ENVIRONMENT": "environments/shop"}) == other


@pytest.mark.parametrize(
    ("locks", "command"),
    [
        (["requirements.txt"], "uv venv .venv && uv pip sync --python .venv/bin/python requirements.txt"),
        (["uv.lock"], "uv sync --frozen"),
    ],
)
def test_without_one_the_error_says_where_it_looked_and_what_makes_one(
    tmp_path: Path, locks: list[str], command: str
) -> None:
    """An environment whose Python is gone is none."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(tmp_path / "gone")
    with pytest.raises(LadingError) as told:
        find(tmp_path, locks, {"VIRTUAL_ENV": str(tmp_path / "other")})
    assert told.value.code == "no-virtualenv"
    assert f"{tmp_path / '.venv'}" in told.value.details
    assert f"{tmp_path / 'other'}  (VIRTUAL_ENV)" in told.value.details
    assert told.value.hint == command


def test_ladings_own_programs_stand_in_for_none(tmp_path: Path) -> None:
    """A program that the project forgot to pin is missing, as it will be in the release."""
    path = search_path(tmp_path / ".venv", {"PATH": "/opt/lading/bin:/usr/bin"}, own="/opt/lading")
    assert path == f"{tmp_path / '.venv' / 'bin'}:/usr/bin"
