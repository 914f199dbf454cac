"""The example forge: its versions are what its README says, and its source needs nothing of Lading."""

import subprocess
import sys
import tomllib
from pathlib import Path

from examples.make_repository import EXAMPLES, make_repository

from tests.unit.examples.test_example_repositories import git


def test_every_version_is_a_tagged_commit(tmp_path: Path) -> None:
    """Program and page change together; the bad one changes how the page is built, and its number."""
    assert make_repository("forge", tmp_path) == ("v1.0.0", "v1.1.0", "v1.2.0")
    changed = set(git(tmp_path, "diff", "--name-only", "v1.0.0", "v1.1.0").split())
    assert {"backend/forge/questions.py", "backend/forge/plan.py", "ui/index.html", "lading.toml"} <= changed
    assert git(tmp_path, "diff", "--name-only", "v1.1.0", "v1.2.0").split() == [
        "backend/forge/__init__.py",
        "lading.toml",
    ]


def test_the_dockerfiles_lie_outside_of_what_they_build(tmp_path: Path) -> None:
    """The source is left as it is: no Dockerfile in it."""
    make_repository("forge", tmp_path)
    builds = tomllib.loads((tmp_path / "lading.toml").read_text())["build"]
    for build in builds.values():
        assert (tmp_path / build["dockerfile"]).is_file()
        assert not build["dockerfile"].startswith(build["context"])
        assert not list((tmp_path / build["context"]).rglob("*ockerfile*"))


def test_the_bad_one_passes_its_own_tests(tmp_path: Path) -> None:
    """What is wrong with it only shows where it is served."""
    make_repository("forge", tmp_path, at="v1.2.0")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=tmp_path / "backend", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout[-2000:]


def test_another_address_fetches_nothing_anew() -> None:
    """The address is asked for behind the packages, so that the bad release is built from the same ones."""
    text = (EXAMPLES / "forge" / "deploy" / "ui.Dockerfile").read_text()
    assert text.index("RUN npm ci") < text.index("ARG VITE_API_BASE") < text.index("npm run build")
