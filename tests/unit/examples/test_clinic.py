"""The example clinic: each of its versions is what it says, the bad one ends with 0 and shows that it failed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from examples.make_repository import make_repository

from lading.manifest.load import check

VERSIONS = ("v1.0.0", "v1.1.0", "v1.2.0")


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("clinic")
    assert make_repository("clinic", place) == VERSIONS
    return place


def checkout(place: Path, version: str) -> None:
    subprocess.run(["git", "checkout", "--quiet", version], cwd=place, check=True)


def run(place: Path, outputs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "LADING_OUTPUTS": str(outputs), "CLINIC_DB": str(outputs / "clinic.db")}
    given |= {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    outputs.mkdir(exist_ok=True)
    return subprocess.run([sys.executable, *words], cwd=place, env=given, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(("version", "failed"), [("v1.0.0", 0), ("v1.1.0", 0), ("v1.2.0", 1)])
def test_every_version_ends_with_0_and_tells_what_failed(
    clinic: Path, tmp_path: Path, version: str, failed: int
) -> None:
    """The exit status of the bad version is that of the good ones; its summary tells them apart."""
    checkout(clinic, version)
    done = run(clinic, tmp_path / "outputs", "-m", "clinic", "analyze", "sample")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs" / "summary.json").read_text())
    assert (summary["clinic"], summary["failed"]) == (version[1:], failed)
    assert summary["grades"]["danger"] == 2
    assert "danger" in (tmp_path / "outputs" / "report.md").read_text()


def test_its_own_tests_pass(clinic: Path, tmp_path: Path) -> None:
    """The newest good version passes the tests that it brings."""
    checkout(clinic, "v1.1.0")
    done = run(clinic, tmp_path / "outputs", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout


def test_its_manifest_is_of_jobs_alone(clinic: Path) -> None:
    """It has no service, and nothing to warn of."""
    checkout(clinic, "v1.0.0")
    report = check(clinic / "lading.toml")
    assert report.problems == ()
    assert report.manifest is not None
    assert report.manifest.services == {}
    assert not (clinic / "road.toml").exists()
