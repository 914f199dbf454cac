"""One real application, its packages from the index, built and run."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from lading.build.uvtool import uv_binary
from lading.model.manifest import Build
from tests.support import until
from tests.unit.build.archives import Yard

pytestmark = pytest.mark.system

PROJECT = (
    '[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.11"\ndependencies = ["fastapi", "uvicorn"]\n'
)
MAIN = """
from fastapi import FastAPI

app = FastAPI()


@app.get("/ready")
def ready() -> dict[str, int]:
    return {"version": 1}
"""
WARM_BUILD = 1.0  # seconds; the whole command may take 1.5


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str | bytes]:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    subprocess.run([uv_binary(), "lock", "-q"], cwd=tmp_path, check=True, timeout=60)
    return {
        "pyproject.toml": PROJECT,
        "uv.lock": (tmp_path / "uv.lock").read_text(),
        "shop/__init__.py": "",
        "shop/main.py": MAIN,
    }


def answer(port: int) -> object:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as response:
            return json.load(response)
    except (urllib.error.URLError, ConnectionError):
        return None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_real_application_is_built_laid_out_and_answers(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    """A locked FastAPI application runs by its console script from the layers; a one-line change is built at once."""
    (tmp_path / "yard").mkdir()
    yard = Yard(tmp_path / "yard")
    build = Build(bundle="uv.lock")
    first = yard.build(files, build=build)

    started = time.monotonic()
    second = yard.build({**files, "shop/main.py": MAIN.replace("1}", "2}")}, build=build)
    assert time.monotonic() - started < WARM_BUILD
    assert second.digest != first.digest
    assert second.artifacts[0].layer("environment") == first.artifacts[0].layer("environment")

    trees = {layer.role: yard.store.lay_out(layer) for layer in second.artifacts[0].layers}
    port = free_port()
    command = [f"{trees['environment']}/bin/uvicorn", "shop.main:app", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=trees["source"], stdout=log, stderr=log)
    try:
        assert until(lambda: answer(port), within=20, what="an answer") == {"version": 2}
    finally:
        process.terminate()
        process.wait(10)
    yard.store.verify(second)
