"""What check and init say of Dockerfiles, with and without hadolint, and what init writes."""

import json
from pathlib import Path

import pytest

from lading.cli import dockerfiles
from lading.cli.main import main
from lading.manifest import check_text

MANIFEST = """
[project]
name = "shop"
[build.app]
dockerfile = "Dockerfile"
[services.web]
port = 8000
ready = "/ready"
[[smoke]]
name = "ready"
get = "/ready"
[environments.local]
"""
BAD = "FROM python\nRUN cd /srv && pip install flask\nENV API_TOKEN=4f1c9\nCMD flask run\n"


def run(*words: str) -> int:
    return main(list(words))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "lading.toml").write_text(MANIFEST)
    (tmp_path / "Dockerfile").write_text(BAD)
    return tmp_path


def test_check_warns_of_what_a_dockerfile_does_badly(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with file, line and rule; the manifest is valid all the same, and no value is told."""
    assert run("-C", str(project), "check") == 0
    said = capsys.readouterr().out
    for rule in ("runs-as-root", "base-not-pinned", "no-lock", "shell-as-pid-1", "secret-in-image"):
        assert rule in said
    assert "warning: Dockerfile:3  secret-in-image" in said
    assert "4f1c9" not in said
    assert run("--json", "-C", str(project), "check") == 0
    assert len(json.loads(capsys.readouterr().out)["manifest"]["warnings"]) >= 5


def test_hadolint_adds_its_rules(project: Path) -> None:
    """It knows hundreds more; what it would say a second time is left to Lading's own words."""
    if dockerfiles.linter() is None:
        pytest.skip("hadolint is not installed")
    told = dockerfiles.of_file(project, "Dockerfile")
    rules = [one.rule for one in told]
    assert "DL3003" in rules  # WORKDIR instead of cd
    assert not set(rules) & set(dockerfiles.LEFT_OUT)
    assert [one.line for one in told] == sorted(one.line for one in told)


def test_without_hadolint_the_own_rules_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is optional; one that breaks off is told of and changes nothing."""
    monkeypatch.setattr(dockerfiles, "linter", lambda: None)
    own = dockerfiles.of_file(project, "Dockerfile")
    assert {one.rule for one in own} == {
        "runs-as-root",
        "base-not-pinned",
        "no-lock",
        "shell-as-pid-1",
        "secret-in-image",
    }
    monkeypatch.setattr(dockerfiles, "linter", lambda: "/bin/false")
    assert [one.rule for one in dockerfiles.of_file(project, "Dockerfile") if one not in own] == ["hadolint"]


def test_a_dockerfile_that_is_not_there_is_nobody_s_remark(tmp_path: Path) -> None:
    """The release tells of it; a check of the manifest alone goes on."""
    manifest = check_text(MANIFEST).manifest
    assert manifest is not None
    assert dockerfiles.of_manifest(manifest, tmp_path) == []


def test_init_writes_a_dockerfile_where_there_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for, with the list of what stays out; both named, and the manifest builds from it."""
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    (tmp_path / "requirements.txt").write_text("fastapi\nuvicorn\n")
    assert run("-C", str(tmp_path), "init") == 0
    assert not (tmp_path / "Dockerfile").exists()
    assert run("-C", str(tmp_path), "init", "--force", "--dockerfile") == 0
    assert "wrote Dockerfile and .dockerignore" in capsys.readouterr().out
    assert "USER 10001" in (tmp_path / "Dockerfile").read_text()
    assert 'dockerfile = "Dockerfile"' in (tmp_path / "lading.toml").read_text()
    assert run("-C", str(tmp_path), "check") == 0


def test_init_leaves_a_dockerfile_alone_and_says_what_it_does_badly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there is somebody's work."""
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n")
    (tmp_path / "Dockerfile").write_text(BAD)
    assert run("-C", str(tmp_path), "init", "--dockerfile") == 0
    assert (tmp_path / "Dockerfile").read_text() == BAD
    assert not (tmp_path / ".dockerignore").exists()
    said = capsys.readouterr().out
    assert "the Dockerfile\n" in said
    assert "runs-as-root" in said
