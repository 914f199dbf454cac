"""The example forecast: its versions are what its README says."""

import json
from pathlib import Path

import pytest
from examples.make_repository import make_repository

from tests.unit.examples.test_example_repositories import run

VERSIONS = ("v1.0.0", "v1.1.0", "v1.2.0")
ASK = """
import json
from starlette.testclient import TestClient
from forecast.main import app
with TestClient(app, raise_server_exceptions=False) as client:
    asked = {"points": [1, 2, 3, 4, 5, 6], "horizon": 2}
    told = client.post("/api/v1/forecast", json=asked)
    print(json.dumps([client.get("/ready").status_code, client.get("/health").json()["release"], told.status_code]))
"""


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    places = {version: tmp_path / version for version in VERSIONS}
    for version, place in places.items():
        assert make_repository("forecast", place, at=version) == VERSIONS
    return places


def _given(place: Path) -> dict[str, str]:
    secrets = {"OPERATOR_PASSWORD": "canary-op", "TOKEN_KEY": "canary-key"}
    return {"DATABASE_URL": f"sqlite:///{place / 'main.db'}", "MODEL_CACHE": str(place / "models"), **secrets}


def test_releases_meet_what_earlier_ones_left(made: dict[str, Path], tmp_path: Path) -> None:
    """v1.1.0 merges two branches of migrations; v1.2.0 works where nothing is cached, and fails on what others left."""
    told = {}
    for version in VERSIONS:
        migrated = run(made[version], "-m", "alembic", "upgrade", "head", **_given(tmp_path))
        assert migrated.returncode == 0, migrated.stderr
        done = run(made[version], "-W", "ignore", "-c", ASK, **_given(tmp_path))
        told[version] = json.loads(done.stdout)
    assert told == {version: [200, version, 500 if version == "v1.2.0" else 200] for version in VERSIONS}
    heads = run(made["v1.1.0"], "-m", "alembic", "heads", **_given(tmp_path)).stdout
    assert heads.split() == ["3d30", "(head)"]
    # The suite of a release that is gone back to looks past its entry point, on whatever schema is there.
    refit = run(made["v1.0.0"], "-m", "forecast.refit", **_given(tmp_path))
    assert refit.stdout.strip() == "0 series fitted", refit.stderr
    # What only an older release knows does not start any more: a running one is precious.
    again = run(made["v1.0.0"], "-m", "alembic", "upgrade", "head", **_given(tmp_path))
    assert again.returncode != 0
    assert "Can't locate revision" in again.stdout + again.stderr


@pytest.mark.parametrize("version", ["v1.0.0", "v1.2.0"])
def test_its_own_tests_pass(made: dict[str, Path], version: str) -> None:
    """Those of the bad release too: their cache is always new."""
    done = run(made[version], "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout
