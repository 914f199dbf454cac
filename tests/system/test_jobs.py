"""Runs of jobs with real processes: they outlive agents and releases. And an example of jobs alone takes the road."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers import engine_shared, with_engine
from tests.support import until
from tests.support_agent import commit
from tests.walker import ROOT

LADING = Path(sys.executable).parent / "lading"
MANIFEST = """
[project]
name = "mill"

[build.app]
bundle = "requirements.txt"

[jobs.grind]
command = "python grind.py"
timeout = "1m"
outputs = { flour = "flour.txt" }

[[smoke]]
name = "grinds"
command = "python grind.py now"

[environments.local]
"""
GRIND = """
import os, pathlib, sys, time
print("grinding", flush=True)
release = pathlib.Path("release").read_text()
gate = pathlib.Path(os.environ["HOME"], "gate")
while "now" not in sys.argv and not gate.exists():
    time.sleep(0.02)
pathlib.Path(os.environ["LADING_OUTPUTS"], "flour.txt").write_text(release)
print("ground", release, flush=True)
"""


class Mill:
    """A project of one job that grinds until it is let go, and its agent."""

    def __init__(self, place: Path) -> None:
        self.home = place / "home"
        self.project = place / "mill"
        self.project.mkdir()
        (self.project / "lading.toml").write_text(MANIFEST)
        (self.project / "grind.py").write_text(GRIND)
        (self.project / "requirements.txt").write_text("")
        self.environment = {**os.environ, "LADING_HOME": str(self.home)}

    def release(self, version: str) -> None:
        (self.project / "release").write_text(version)
        commit(self.project, version, version)
        assert self.lading("deploy", "local").returncode == 0

    def lading(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LADING, *words], cwd=self.project, env=self.environment, capture_output=True, text=True, timeout=60
        )

    def runs(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.lading("runs", "local", "--json").stdout)["runs"]
        return found

    def kill_agent(self) -> None:
        os.kill(json.loads((self.home / "agent.json").read_text())["pid"], signal.SIGKILL)

    def let_go(self) -> None:
        (self.home / "environments" / "mill" / "local" / "home" / "gate").touch()


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    tmp_path.chmod(0o711)
    made = Mill(tmp_path)
    yield made
    made.lading("agent", "stop", "--everything")


@pytest.mark.system
def test_a_run_outlives_agent_and_release(mill: Mill, tmp_path: Path) -> None:
    """A run goes on while its agent is killed and a new release comes; its end, output and files are its release's."""
    mill.release("v1.0.0")
    with subprocess.Popen(
        [LADING, "run", "local", "grind"], cwd=mill.project, env=mill.environment, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "grinding\n"
        mill.kill_agent()
        mill.release("v1.1.0")
        assert [run["ending"] for run in mill.runs()] == [None]
        bill = json.loads(mill.lading("bill", "v1.1.0", "--json").stdout)["bill"]["statements"]
        (told,) = [one["statement"]["facts"]["jobs"] for one in bill if one["statement"]["gate"] == "rollout"]
        assert [(one["run"], one["release"], one["ended"]) for one in told] == [(1, "v1.0.0", "goes on")]
        mill.let_go()
        assert watching.communicate(timeout=30)[0] == "ground v1.0.0\n"
        assert watching.returncode == 0
    (run,) = mill.runs()
    assert (run["ending"], run["release"]) == ("succeeded", "v1.0.0")
    assert mill.lading("outputs", "local", "1", "--to", str(tmp_path / "to")).returncode == 0
    assert (tmp_path / "to" / "flour.txt").read_text() == "v1.0.0"


@pytest.mark.system
def test_what_ended_without_an_agent_is_recorded(mill: Mill) -> None:
    """A run that ends while no agent is there is recorded by the next one as it ended, and is run once."""
    mill.release("v1.0.0")
    assert mill.lading("run", "local", "grind", "--detach").returncode == 0
    until(lambda: _began(mill))
    mill.kill_agent()
    mill.let_go()
    flour = mill.home / "environments" / "mill" / "local" / "outputs"
    until(lambda: [path for path in flour.rglob("flour.txt") if "job" in path.parent.name])
    followed = mill.lading("runs", "local", "--follow", "1")
    assert followed.returncode == 0
    assert followed.stdout == "grinding\nground v1.0.0\n"


def _began(mill: Mill) -> bool:
    outputs = mill.home / "environments" / "mill" / "local" / "outputs"
    return any("job" in path.name for path in outputs.iterdir()) if outputs.exists() else False


@with_engine
@pytest.mark.timeout(300)
def test_an_example_of_jobs_takes_the_whole_road() -> None:
    """The clinic goes to production as an image, its bad release stays out, and a rollback brings it back."""
    with engine_shared():
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "examples.py", "clinic"], capture_output=True, text=True, timeout=280
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v1.2.0 refused ✓ · back to v1.0.0 ✓ · healthcheck ran ✓  stands" in done.stdout
