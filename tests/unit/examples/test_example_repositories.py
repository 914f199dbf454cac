"""The examples: what make_repository.py makes of them, and that each of their versions is what it says."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from examples.make_repository import EXAMPLES, make_repository

from lading.manifest.load import check

CASHBACK = ("v1.0.0", "v1.1.0", "v1.2.0", "v1.3.0", "v1.4.0")
DATASETTE = ("v1.0.0", "v1.1.0")
# The published programs, and which of their versions v1.0.0 and v1.1.0 pin.
PUBLISHED = {"ara": ("1.7.5", "1.8.0"), "datasette": ("0.64.8", "0.65.5"), "pypiserver": ("2.3.2", "2.4.2")}
WITHOUT_REMARKS = ("cashback", "cashback/variants/postgres", "forecast", "forge", "memo")
LOCKS = sorted(path for path in EXAMPLES.glob("*/*/package-lock.json"))
ASK_READY = """
import json, sys
from starlette.testclient import TestClient
from cashback.main import app
with TestClient(app) as client:
    ready, summary = client.get("/ready"), client.get("/api/v1/offers/summary")
    print(json.dumps([ready.status_code, ready.json(), ready.headers["x-release"], summary.status_code]))
"""


def git(place: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", place, *words], check=True, capture_output=True, text=True).stdout.strip()


def run(place: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run([sys.executable, *words], cwd=place, env=given, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def cashback(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("cashback")
    assert make_repository("cashback", place) == CASHBACK
    return place


@pytest.fixture(scope="module")
def datasette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("datasette")
    assert make_repository("datasette", place) == DATASETTE
    return place


class TestRepositories:
    def test_every_version_is_a_clean_tagged_commit(self, cashback: Path, datasette: Path) -> None:
        """Each version is one commit with its tag on main; nothing is left uncommitted, no overlay comes along."""
        for place, tags in ((cashback, CASHBACK), (datasette, DATASETTE)):
            assert git(place, "tag", "--list").split() == list(tags)
            assert git(place, "rev-list", "--count", "main") == str(len(tags))
            assert git(place, "describe", "--tags", "--exact-match") == tags[-1]
            assert git(place, "status", "--porcelain", "--ignored") == ""
            assert not [name for name in git(place, "ls-files").split() if name.startswith("versions")]

    def test_making_it_again_gives_the_same_commits(self, cashback: Path, tmp_path: Path) -> None:
        """Author, date and content are fixed, whatever the user's own git says; the place may hold another version."""
        again = tmp_path / "again"
        make_repository("cashback", again, at="v1.1.0")
        assert git(again, "rev-parse", *CASHBACK) == git(cashback, "rev-parse", *CASHBACK)
        assert git(again, "describe", "--tags", "--exact-match") == "v1.1.0"

    def test_it_works_without_any_git_configuration(self, tmp_path: Path) -> None:
        """A machine where nobody told git a name or a home can make it, by the command line too."""
        script, place = str(EXAMPLES / "make_repository.py"), tmp_path / "made"
        done = subprocess.run(
            [sys.executable, script, "cashback", place],
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == f"{place}: {' '.join(CASHBACK)}", done.stderr

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        """A directory that holds something is left alone; an example that is not there is named."""
        (tmp_path / "mine").write_text("")
        with pytest.raises(FileExistsError, match="not empty"):
            make_repository("cashback", tmp_path)
        with pytest.raises(FileNotFoundError, match="no example 'nothing'"):
            make_repository("nothing", tmp_path / "new")
        assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


class TestManifests:
    @pytest.mark.parametrize(
        "name", ["cashback", "cashback/variants/postgres", "forecast", "forge", "memo", *PUBLISHED]
    )
    def test_it_has_no_problem(self, name: str) -> None:
        """The manifests shown to newcomers have neither problems nor warnings, and nothing this version cannot do."""
        checked = check(EXAMPLES / name / "lading.toml")
        assert [str(found) for found in (*checked.problems, *checked.warnings, *checked.notes)] == []
        assert checked.manifest is not None
        assert checked.manifest.smoke

    def test_every_requirement_is_pinned(self) -> None:
        """Each requirements file pins every package by version and hash and names no registry."""
        # What an example examines is no requirement of its own.
        files = sorted(file for file in EXAMPLES.rglob("requirements.txt") if file.parent.name != "sample")
        assert len(files) >= 2 + 2 * len(PUBLISHED)
        for file in files:
            text = file.read_text()
            pinned = re.findall(r"^[a-z0-9-]+==\S+(?: ; [^\\\n]+)? \\\n    --hash=sha256:", text, re.MULTILINE)
            assert len(pinned) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 0
            assert "://" not in text

    @pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parts[-3])
    def test_every_package_of_a_page_is_pinned(self, lock: Path) -> None:
        """Each lock file has every package by version and digest, as its project asks for it, and names no registry."""
        asked, locked = json.loads(lock.with_name("package.json").read_text()), json.loads(lock.read_text())
        for kind in ("dependencies", "devDependencies"):
            assert asked.get(kind, {}) == locked["packages"][""].get(kind, {})
            assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.get(kind, {}).values())
        packages = {name: found for name, found in locked["packages"].items() if name}
        assert all(found["integrity"].startswith("sha512-") and "resolved" not in found for found in packages.values())
        assert "omit-lockfile-registry-resolved=true" in lock.with_name(".npmrc").read_text().splitlines()

    def test_what_a_page_was_built_with_stays_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Packages and files that somebody built in the folder of an example are no part of its repository."""
        examples = tmp_path / "examples"
        shutil.copytree(EXAMPLES / "forge", examples / "forge", ignore=shutil.ignore_patterns("node_modules", "dist"))
        for litter in ("node_modules/vite/index.js", "dist/index.html"):
            (examples / "forge" / "ui" / litter).parent.mkdir(parents=True)
            (examples / "forge" / "ui" / litter).touch()
        monkeypatch.setattr("examples.make_repository.EXAMPLES", examples)
        make_repository("forge", tmp_path / "made")
        assert sorted(path.name for path in (tmp_path / "made" / "ui").iterdir() if path.is_dir()) == [
            "public",
            "src",
            "tests",
        ]


class TestCashback:
    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            ("v1.0.0", '[200, {"database": "ok"}, "v1.0.0", 404]'),
            ("v1.1.0", '[200, {"database": "ok"}, "v1.1.0", 200]'),
            ("v1.2.0", '[503, {"database": "payouts.settled_at is missing"}, "v1.2.0", 200]'),
        ],
    )
    def test_versions(self, tmp_path: Path, version: str, expected: str) -> None:
        """v1.1.0 has one feature more, v1.2.0 never gets ready, on a fresh database as on one of an older version."""
        place, older = tmp_path / "wanted", tmp_path / "older"
        make_repository("cashback", place, at=version)
        make_repository("cashback", older, at="v1.0.0")
        given = {"JWT_KEY": "0123456789abcdef", "SMOKE_TOKEN": "token"}
        fresh = {**given, "DATABASE_URL": f"sqlite:///{tmp_path / 'fresh.db'}"}
        used = {**given, "DATABASE_URL": f"sqlite:///{tmp_path / 'used.db'}"}
        assert run(older, "-W", "ignore", "-c", ASK_READY, **used).returncode == 0
        for variables in (fresh, used):
            done = run(place, "-W", "ignore", "-c", ASK_READY, **variables)
            assert done.stdout.strip() == expected, done.stderr

    def test_v1_3_0_takes_over_what_was_there(self, tmp_path: Path) -> None:
        """v1.3.0 is ready once its migrations were run, on a fresh database as on one of an older version."""
        place, older = tmp_path / "wanted", tmp_path / "older"
        make_repository("cashback", place, at="v1.3.0")
        make_repository("cashback", older, at="v1.1.0")
        for name in ("fresh", "used"):
            url = f"sqlite:///{tmp_path / name}.db"
            variables = {"JWT_KEY": "0123456789abcdef", "SMOKE_TOKEN": "token", "DATABASE_URL": url}
            if name == "used":
                assert run(older, "-W", "ignore", "-c", ASK_READY, **variables).returncode == 0
            migrated = run(place, "-m", "alembic", "upgrade", "head", DATABASE_URL=url)
            assert migrated.returncode == 0, migrated.stderr
            done = run(place, "-W", "ignore", "-c", ASK_READY, **variables)
            assert done.stdout.strip() == '[200, {"database": "ok"}, "v1.3.0", 200]', done.stderr

    def test_v1_4_0_fails_on_data_alone(self, tmp_path: Path) -> None:
        """v1.4.0 migrates an empty database, and fails on one in which a payout is open."""
        make_repository("cashback", tmp_path / "made", at="v1.4.0")
        url = f"sqlite:///{tmp_path / 'used.db'}"
        migrate = (tmp_path / "made", "-m", "alembic", "upgrade")
        assert run(*migrate, "9c41", DATABASE_URL=url).returncode == 0
        with closing(sqlite3.connect(tmp_path / "used.db")) as connection, connection:
            connection.execute("INSERT INTO wallets VALUES (1, 'anna', 0)")
            connection.execute("INSERT INTO payouts VALUES (1, 1, 60, '2025-06-15 00:00:00', NULL)")
        failed = run(*migrate, "head", DATABASE_URL=url)
        assert failed.returncode != 0
        assert "NOT NULL constraint failed" in failed.stderr + failed.stdout
        fresh = f"sqlite:///{tmp_path / 'fresh.db'}"
        assert run(*migrate, "head", DATABASE_URL=fresh).returncode == 0

    @pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0", "v1.4.0"])
    def test_its_own_tests_pass(self, tmp_path: Path, version: str) -> None:
        """The application's tests pass, those of the bad release too: its bug is one that tests like them miss."""
        make_repository("cashback", tmp_path / "made", at=version)
        done = run(tmp_path / "made", "-m", "pytest", "-q", "-p", "no:cacheprovider")
        assert done.returncode == 0, done.stdout


class TestCashbackOnPostgres:
    def test_the_variant_lies_over_the_example(self, tmp_path: Path) -> None:
        """Its own files go first, the application's others come along, and it has versions of its own."""
        assert make_repository("cashback/postgres", tmp_path / "made") == ("v1.0.0", "v1.1.0", "v1.2.0")
        files = git(tmp_path / "made", "ls-files").split()
        assert {
            "Dockerfile",
            "cashback/api.py",
            "cashback/payer.py",
            "migrations/versions/9c41_settled_payouts.py",
        } <= {*files}
        assert not [name for name in files if "variants" in name]
        with pytest.raises(FileNotFoundError, match="no variant 'mysql' of cashback"):
            make_repository("cashback/mysql", tmp_path / "other")

    @pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0"])
    def test_its_own_tests_pass(self, tmp_path: Path, version: str) -> None:
        """Those of the bad release too: no test of its runs a migration."""
        make_repository("cashback/postgres", tmp_path / "made", at=version)
        done = run(tmp_path / "made", "-m", "pytest", "-q", "-p", "no:cacheprovider")
        assert done.returncode == 0, done.stdout


class TestDatasette:
    def test_the_database_is_part_of_the_release(self, datasette: Path) -> None:
        """The database is committed, sound, and holds what the smoke checks ask for."""
        assert "fixtures.db" in git(datasette, "ls-files").split()
        with closing(sqlite3.connect(datasette / "fixtures.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM fleet").fetchone() == (4,)


class TestPublished:
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_only_the_requirements_differ(self, name: str, tmp_path: Path) -> None:
        """The upgrade changes which published version is pinned, and nothing else."""
        tags = make_repository(name, tmp_path)
        assert tags == ("v1.0.0", "v1.1.0")
        assert set(git(tmp_path, "diff", "--name-only", *tags).split()) == {"requirements.in", "requirements.txt"}
        for tag, version in zip(tags, PUBLISHED[name], strict=True):
            assert f"\n{name}=={version} " in f"\n{git(tmp_path, 'show', f'{tag}:requirements.txt')}"
