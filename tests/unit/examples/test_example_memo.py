"""The example memo: its versions are what its README says."""

import json
from pathlib import Path

import pytest
from examples.make_repository import make_repository

from tests.unit.examples.test_example_repositories import git, run

ASK_HEALTH = """
import json
from starlette.testclient import TestClient
from memo.main import app
with TestClient(app) as client:
    health = client.get("/health")
    told = health.json()
    print(json.dumps([health.status_code, told["status"], told["release"], client.get("/memos").status_code]))
"""


def test_every_version_is_a_tagged_commit(tmp_path: Path) -> None:
    """Program, page and configuration change with the versions; the bad one changes its configuration alone."""
    assert make_repository("memo", tmp_path) == ("v1.0.0", "v1.1.0", "v1.2.0")
    assert git(tmp_path, "diff", "--name-only", "v1.0.0", "v1.1.0").split() == [
        *("config/rubric.toml", "front/site/assets/app.js", "memo/__init__.py"),
    ]
    assert git(tmp_path, "diff", "--name-only", "v1.1.0", "v1.2.0").split() == [
        "config/rubric.toml",
        "memo/__init__.py",
    ]


@pytest.mark.parametrize(("version", "status"), [("v1.0.0", "healthy"), ("v1.1.0", "healthy"), ("v1.2.0", "unhealthy")])
def test_the_bad_one_answers_200_while_unhealthy(tmp_path: Path, version: str, status: str) -> None:
    """Only the answer's content tells it from a good one."""
    place = tmp_path / "made"
    make_repository("memo", place, at=version)
    given = {"DATABASE_URL": f"sqlite:///{tmp_path / 'memo.db'}", "CONFIG_DIR": str(place / "config")}
    done = run(place, "-W", "ignore", "-c", ASK_HEALTH, **given)
    assert json.loads(done.stdout) == [200, status, version, 200], done.stderr


@pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0"])
def test_its_own_tests_pass(tmp_path: Path, version: str) -> None:
    """Those of the bad release too: they bring a rubric of their own."""
    make_repository("memo", tmp_path / "made", at=version)
    done = run(tmp_path / "made", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout


def test_the_page_names_its_assets_by_their_content(tmp_path: Path) -> None:
    """What the page loads is there, under a name that another content would not have."""
    make_repository("memo", tmp_path / "made", at="v1.0.0")
    front = tmp_path / "made" / "front"
    assert run(front, "build.py", "site", "dist").returncode == 0
    page = (front / "dist" / "index.html").read_text()
    names = sorted(path.name for path in (front / "dist" / "assets").iterdir())
    assert [name.count(".") for name in names] == [2, 2]
    assert all(f"/assets/{name}" in page for name in names)
    (front / "site" / "assets" / "app.js").write_text("other")
    assert run(front, "build.py", "site", "dist").returncode == 0
    assert sorted(path.name for path in (front / "dist" / "assets").iterdir()) != names
