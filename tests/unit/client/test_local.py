"""Starting one's own agent: waited for, told why not, and never two."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.client import local
from lading.client.address import local_address
from lading.model.errors import LadingError
from tests.support_agent import ShortDirectory

LISTEN = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
sock.listen()
sock.settimeout(20)
while True:
    connection, _ = sock.accept()
    if connection.recv(4) == b"stop":
        break
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with ShortDirectory() as directory:
        monkeypatch.setenv("LADING_HOME", str(directory / "home"))
        yield directory / "home"


def _instead(monkeypatch: pytest.MonkeyPatch, *programs: str) -> list[Path]:
    """Let each start run the next of these programs in place of an agent."""
    import subprocess

    started: list[Path] = []
    real = subprocess.Popen

    def popen(command: list[str], **options: object) -> object:
        home = Path(command[-1])
        program = programs[min(len(started), len(programs) - 1)]
        started.append(home)
        return real([sys.executable, "-c", program, str(home / "agent.sock")], **options)  # type: ignore[call-overload]

    monkeypatch.setattr("lading.client.local.subprocess.Popen", popen)
    return started


def _stop(home: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(home / "agent.sock"))
        sock.sendall(b"stop")
    local._started.pop().wait()


def test_start_returns_when_the_socket_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home is made, passable for instances of other users, and a second start does nothing."""
    started = _instead(monkeypatch, LISTEN)
    local.start()
    local.start()
    assert started == [home]
    assert home.stat().st_mode & 0o777 == 0o711
    assert local.answers(local_address())
    _stop(home)


def test_a_failed_start_shows_the_end_of_the_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the agent wrote before it ended is shown, what earlier ones wrote is not."""
    home.mkdir()
    (home / "agent.log").write_text("old line\n")
    _instead(monkeypatch, "import sys; sys.exit('journal.db: no such table')")
    with pytest.raises(LadingError) as told:
        local.start()
    assert told.value.code == "agent-unreachable"
    assert "exit status 1" in told.value.happened
    assert told.value.details == ("agent.log: journal.db: no such table",)


def test_a_slow_start_is_given_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is bounded, and the error says how long it took."""
    monkeypatch.setattr(local, "START_TIMEOUT", 0.1)
    _instead(monkeypatch, "import sys; sys.stdin.read(); import time; time.sleep(0.3)")
    with pytest.raises(LadingError, match=r"within 0\.1 s"):
        local.start()
    local._started.pop().wait()


def test_a_home_that_is_just_left_is_taken_next(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another agent has the home and does not answer, the start is tried again."""
    monkeypatch.setattr(local, "HELD_PAUSE", 0.01)
    started = _instead(monkeypatch, "import sys; sys.exit(6)", "import sys; sys.exit(6)", LISTEN)
    local.start()
    assert len(started) == 3
    _stop(home)


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the directory and how to choose another."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LADING_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(LadingError, match="LADING_HOME"):
        local.start()
