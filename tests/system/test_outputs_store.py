"""What a job leaves gets to an object store: a real agent, killed on the way, and a real server that speaks S3."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lading.agent.compose import FAULTS
from lading.engine.faults import Fault, to_environment
from tests.stores import serving_store
from tests.support import until
from tests.support_agent import commit

LADING = Path(sys.executable).parent / "lading"
LARGE = 20_000_000  # bytes; more than two parts
KEY = "key-4711-canary-key"
MANIFEST = """
[project]
name = "mill"

[build.app]
bundle = "requirements.txt"

[jobs.grind]
command = "python grind.py"
outputs = {{ flour = "flour.txt" }}

[[smoke]]
name = "there"
command = "python -c 1"

[environments.local.outputs]
store = "s3://kept-1/mills"
endpoint = "http://127.0.0.1:{port}"
secret_key = "OUTPUTS_KEY"
"""
GRIND = f"""
import os, pathlib
outputs = pathlib.Path(os.environ["LADING_OUTPUTS"])
assert not {{"AWS_ACCESS_KEY_ID", "OUTPUTS_KEY"}} & set(os.environ)
(outputs / "flour.txt").write_text("fine")
(outputs / "bags").mkdir()
(outputs / "bags" / "one.bin").write_bytes(bytes(range(250)) * ({LARGE} // 250))
"""


class Mill:
    """A project of one job whose outputs go to a store, and its agent."""

    def __init__(self, place: Path, port: int) -> None:
        self.home = place / "home"
        self.project = place / "mill"
        self.project.mkdir()
        (self.project / "lading.toml").write_text(MANIFEST.format(port=port))
        (self.project / "grind.py").write_text(GRIND)
        (self.project / "requirements.txt").write_text("")
        commit(self.project, "first", "v1.0.0")
        self.environment = {**os.environ, "LADING_HOME": str(self.home)}

    def lading(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [LADING, *words]
        return subprocess.run(
            command, cwd=self.project, env=self.environment, input=typed, capture_output=True, text=True, timeout=60
        )

    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.lading("runs", "local", "--json").stdout)["runs"][0]
        return found

    @property
    def pid(self) -> int:
        return int(json.loads((self.home / "agent.json").read_text())["pid"])


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def mill(tmp_path: Path, port: int) -> Iterator[Mill]:
    tmp_path.chmod(0o711)
    made = Mill(tmp_path, port)
    yield made
    made.lading("agent", "stop", "--everything")


@pytest.mark.system
def test_outputs_get_to_their_store(mill: Mill, port: int, tmp_path: Path) -> None:
    """A store that is away loses nothing, an agent that is killed between two files goes on, and all is told."""
    dies = Fault(point="objects.put:after", act="kill", thread="sending")
    faultless = mill.environment
    mill.environment = {**faultless, FAULTS: to_environment((dies,))}
    refused = mill.lading("deploy", "local")
    assert refused.returncode == 3
    assert "AWS_ACCESS_KEY_ID, OUTPUTS_KEY" in refused.stderr
    assert mill.lading("secrets", "set", "local", "AWS_ACCESS_KEY_ID", typed="id-4711-id\n").returncode == 0
    assert mill.lading("secrets", "set", "local", "OUTPUTS_KEY", typed=f"{KEY}\n").returncode == 0
    assert mill.lading("deploy", "local").returncode == 0

    assert mill.lading("run", "local", "grind").returncode == 0
    until(lambda: mill.run()["sending"]["tries"])
    assert "Connection refused" in mill.lading("outputs", "local", "1").stdout
    assert "2 files not in s3://kept-1/mills yet" in mill.lading("runs", "local").stdout
    assert "outputs-unsent" in mill.lading("doctor", "--json").stdout

    with serving_store(port) as server:
        server.new_bucket()
        killed = mill.pid
        mill.environment = faultless
        assert mill.lading("outputs", "local", "1", "--send").returncode == 0
        until(lambda: not Path(f"/proc/{killed}").exists() or "State:\tZ" in Path(f"/proc/{killed}/status").read_text())
        until(lambda: not mill.run()["sending"]["unsent"], within=20)
        run = mill.run()
        assert (run["ending"], run["sending"]["trouble"]) == ("succeeded", "")
        for file in run["outputs"]:
            content = server.content("kept-1", file["url"].removeprefix("s3://kept-1/"))
            assert content is not None
            assert len(content) == file["size"]
        assert [file["path"] for file in run["outputs"]] == ["flour.txt", "bags/one.bin"]
        assert server.unfinished("kept-1") == 0
    assert mill.lading("outputs", "local", "1", "--to", str(tmp_path / "to")).returncode == 0
    assert (tmp_path / "to" / "bags" / "one.bin").stat().st_size == LARGE
    told = b"".join(path.read_bytes() for path in mill.home.rglob("*") if path.is_file() and path.suffix != ".bin")
    assert KEY.encode() not in told
