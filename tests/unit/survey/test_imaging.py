"""The Dockerfile that is drafted: by what pins the dependencies, with nothing of its own to remark on."""

import sys
from pathlib import Path

import pytest

from lading.survey import draft, image_files, survey
from lading.survey.imaging import python_of
from lading.survey.remarks import remarks

APP = "from fastapi import FastAPI\n\napp = FastAPI()\n\n\n@app.get('/ready')\ndef ready():\n    return {}\n"
REQUIREMENTS = "fastapi==0.115.0 --hash=sha256:00\nuvicorn==0.30.6 --hash=sha256:00\n"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def project(place: Path, at: str = "", **files: str) -> Path:
    texts = {"main.py": APP, "requirements.txt": REQUIREMENTS, **files}
    for name, text in texts.items():
        path = place / at / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def test_it_passes_its_own_rules(tmp_path: Path) -> None:
    """What Lading would remark on, it does not write."""
    drafted = image_files(survey(project(tmp_path)), "0.8.3")
    assert remarks(drafted.text) == []
    assert (drafted.path, drafted.ignore_path) == ("Dockerfile", ".dockerignore")
    assert "--require-hashes --requirement requirements.txt" in drafted.text
    assert "uv==0.8.3" in drafted.text
    assert 'CMD ["uvicorn", "main:app"]' in drafted.text
    assert ".env" in drafted.ignore.splitlines()


def test_a_lock_is_installed_as_it_is(tmp_path: Path) -> None:
    """The dependencies are a layer of their own, below the source."""
    text = '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["fastapi"]\n'
    found = survey(project(tmp_path, **{"pyproject.toml": text, "uv.lock": "version = 1\n"}))
    text = image_files(found, "0.8.3").text
    assert "uv sync --frozen --no-dev --no-install-project" in text
    assert text.index("COPY --from=build /app/.venv") < text.index("COPY . .")
    assert remarks(text) == []


def test_the_manifest_names_it(tmp_path: Path) -> None:
    """Whether it was there or is drafted, an image is built from it, in the directory of the dependencies."""
    found = survey(project(tmp_path, "backend"))
    drafted = image_files(found, "0.8.3")
    manifest = draft(found, image=True).text
    assert drafted.path == "backend/Dockerfile"
    assert 'dockerfile = "backend/Dockerfile"' in manifest
    assert "bundle" not in manifest
    (tmp_path / "backend" / "Dockerfile").write_text("FROM python:3.11-slim\n")
    there = draft(survey(tmp_path), image=True).text
    assert 'dockerfile = "backend/Dockerfile"' in there


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("", HERE),
        (">=3.9", HERE),
        (">=3.11,<4.0", HERE),
        ("==3.12", "3.12"),
        (">=3.99", "3.99"),
        ("<3.10,>=3.8", "3.8"),
    ],
)
def test_the_python_is_one_that_is_asked_for(wanted: str, taken: str) -> None:
    """This one's minor version where it will do, else what the project names."""
    assert python_of(wanted) == taken
