"""The daemon itself: started on demand, one per home, killed, healed, ended in order."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import until
from tests.support_agent import ShortDirectory

pytestmark = pytest.mark.system

READY_LIMIT = 3.0  # seconds for a first answer on a busy machine; measured alone it is about half a second


class Home:
    """An agent's home, and the command line that uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {**os.environ, "LADING_HOME": str(path)}

    def lading(self, *words: str, status: int = 0) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "lading.cli.main", "--json", *words],
            env=self.env,
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done
        return json.loads(done.stdout.splitlines()[-1])

    def pid(self) -> int:
        return int(self.lading("agent", "status")["agent"]["pid"])


@pytest.fixture
def home() -> Iterator[Home]:
    with ShortDirectory() as directory:
        settings = directory / "home" / "agent.toml"
        settings.parent.mkdir(mode=0o711)
        settings.write_text("[router]\nports_from = 7900\nports = 2\n")
        home = Home(directory / "home")
        try:
            yield home
        finally:
            until(lambda: _ended(home), within=30)


def _ended(home: Home) -> bool:
    """Stop the agent; one that lost the race to start may still be on its way and find the home free only now."""
    home.lading("agent", "stop", "--everything")
    return not any(str(home.path) in command for command in _commands())


def _commands() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        try:
            yield (entry / "cmdline").read_text() if entry.name.isdigit() else ""
        except OSError:
            continue


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_agent_is_started_killed_and_healed(home: Home) -> None:
    """A command starts it; after a kill the left-over socket and lock stop nobody; its files are its owner's alone."""
    began = time.monotonic()
    assert home.lading("status") == {"environments": []}
    assert time.monotonic() - began < READY_LIMIT
    pid = home.pid()
    assert (home.path / "agent.sock").stat().st_mode & 0o777 == 0o600
    assert json.loads((home.path / "agent.json").read_text())["pid"] == pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not _running(pid))
    assert (home.path / "agent.sock").exists()
    assert home.lading("status") == {"environments": []}
    assert home.pid() != pid


def test_commands_at_once_start_one_agent(home: Home) -> None:
    """Several commands that find no agent end up with the same one."""
    command = [sys.executable, "-m", "lading.cli.main", "--json", "agent", "start"]
    starting = [
        subprocess.Popen(command, env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate() for process in starting]
    assert [process.returncode for process in starting] == [0, 0, 0], said
    assert len({json.loads(out)["agent"]["pid"] for out, _ in said}) == 1


def test_an_agent_ends_in_order(home: Home) -> None:
    """SIGTERM ends it soon, with exit status 0, and its card says that nobody has the home."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lading.agent", "--home", str(home.path)], stdout=subprocess.DEVNULL
    )
    until(lambda: _answers(home), within=20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert not (home.path / "agent.json").exists()
    assert home.lading("agent", "status", status=7)["error"]["code"] == "agent-unreachable"


def test_an_agent_whose_home_is_gone_ends(home: Home) -> None:
    """It looks after nothing then, and must not make router after router in its place."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lading.agent", "--home", str(home.path)], stdout=subprocess.DEVNULL
    )
    until(lambda: (home.path / "agent.json").exists(), within=20)
    moved = home.path.with_name("moved")
    home.path.rename(moved)
    try:
        assert process.wait(timeout=20) == 0
    finally:
        # Back again, so that its router is found and ended.
        moved.rename(home.path)


def _answers(home: Home) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(home.path / "agent.sock")) == 0


def test_a_home_with_a_broken_setting_says_which(home: Home) -> None:
    """An agent that cannot start is told with the end of its log, and the commands afterwards work again."""
    settings = home.path / "agent.toml"
    good = settings.read_text()
    settings.write_text("[router]\nnonsense = 1\n")
    error = home.lading("status", status=7)["error"]
    settings.write_text(good)
    assert any("nonsense" in line for line in error["details"]), error
