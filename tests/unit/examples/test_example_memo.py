"""The example memo: its versions are what its README says."""

import json
import tomllib
from pathlib import Path

import pytest
from examples.make_repository import EXAMPLES, make_repository

from tests.unit.examples.test_example_repositories import git, run

MEMO = EXAMPLES / "memo"
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
    """Program, page and configurations change with the versions; the bad one changes its configuration alone."""
    assert make_repository("memo", tmp_path) == ("v1.0.0", "v1.1.0", "v1.2.0")
    assert git(tmp_path, "diff", "--name-only", "v1.0.0", "v1.1.0").split() == [
        *("config/rubric.toml", "memo/__init__.py", "web/nginx/headers.inc", "web/src/parts/Score.vue"),
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


def test_a_configuration_of_nginx_is_no_part_of_its_image() -> None:
    """It is mounted from the release's source, and so a change of it builds nothing anew."""
    manifest = tomllib.loads((MEMO / "lading.toml").read_text())
    (mounted,) = manifest["services"]["web"]["files"]
    assert (MEMO / mounted / "default.conf").is_file()
    context = MEMO / manifest["build"]["web"]["context"]
    left_out = (context / ".dockerignore").read_text().split()
    assert str((MEMO / mounted).relative_to(context)) in left_out
