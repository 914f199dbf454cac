"""The example's own tests: ``python -m pytest`` in its folder."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from forecast import maths
from forecast.cache import ModelCache
from forecast.main import make_app
from forecast.settings import Settings
from starlette.testclient import TestClient

ROOT = Path(__file__).parents[1]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    url = f"sqlite:///{tmp_path / 'main.db'}"
    migrate = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(
        migrate, cwd=ROOT, env={"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"}, check=True, capture_output=True
    )
    with TestClient(make_app(Settings(url, tmp_path / "models", "secret", "key"))) as client:
        yield client


def login(client: TestClient) -> dict[str, str]:
    answer = client.post("/api/v1/auth/login", json={"user": "operator", "password": "secret"})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_line_goes_on() -> None:
    assert maths.holt([1, 2, 3, 4]).ahead(2) == [5, 6]


def test_a_season_comes_again() -> None:
    week = [1.0, 2, 3, 4, 5, 9, 9]
    model = maths.fit(week * 3, 7)
    assert (model.method, model.ahead(8)) == ("seasonal", [*week, 1.0])


def test_too_few_points_for_a_season() -> None:
    with pytest.raises(ValueError, match="needs more than"):
        maths.seasonal([1, 2, 3], 3)


def test_only_who_logged_in_sees_the_status(client: TestClient) -> None:
    assert client.get("/api/v1/system/status").status_code == 401
    forged = {"Authorization": "Bearer e30=.0000"}
    assert client.get("/api/v1/system/status", headers=forged).status_code == 401
    wrong = {"user": "operator", "password": "guess"}
    assert client.post("/api/v1/auth/login", json=wrong).status_code == 401
    assert client.get("/api/v1/system/status", headers=login(client)).json()["status"] == "ok"


def test_a_series_is_kept_and_forecast(client: TestClient) -> None:
    headers = login(client)
    given = {"points": [10, 12, 14, 16, 18], "season": 1}
    assert client.put("/api/v1/series/sales", json=given, headers=headers).status_code == 200
    assert client.put("/api/v1/series/sales", json=given, headers=headers).status_code == 200
    first, again = (client.get("/api/v1/series/sales/forecast?horizon=2").json() for _ in range(2))
    assert first["forecast"] == again["forecast"] == [20, 22]
    assert (first["cached"], again["cached"]) == (False, True)
    assert client.get("/api/v1/series/nothing/forecast").status_code == 404


def test_two_who_fit_the_same_points_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, both, replace = ModelCache(tmp_path), threading.Barrier(2, timeout=10), Path.replace

    def together(file: Path, target: Path) -> Path:
        both.wait()
        return replace(file, target)

    monkeypatch.setattr(Path, "replace", together)
    with ThreadPoolExecutor(2) as pool:
        models = list(pool.map(lambda _: cache.model([1, 2, 3], 1, "holt")[0], range(2)))
    assert [model.ahead(1) for model in models] == [pytest.approx([4])] * 2
    assert len(cache) == 1


def test_it_is_not_ready_before_the_migration(tmp_path: Path) -> None:
    with TestClient(make_app(Settings(f"sqlite:///{tmp_path}/new.db", tmp_path, "secret", "key"))) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/ready").status_code == 503
