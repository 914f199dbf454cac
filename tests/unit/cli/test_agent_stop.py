"""What ``lading agent stop`` says when somebody answers still."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.cli import agent
from lading.client.address import Address, parse_address
from lading.model.errors import LadingError
from tests.support_agent import ShortDirectory

OBEYS = "import time; print('up', flush=True); time.sleep(60)"
IGNORES = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEYS}"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Address]:
    """An address at which somebody answers, whoever was ended."""
    monkeypatch.setattr(agent, "STOP_TIMEOUT", 0.3)
    with ShortDirectory() as place, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(Path(place) / "agent.sock"))
        listener.listen(100)
        yield parse_address(f"unix://{place}")


def stopped(address: Address, program: str) -> LadingError:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        try:
            with pytest.raises(LadingError) as found:
                agent._end(address, process.pid)
        finally:
            process.kill()
    return found.value


def test_one_that_is_started_again_is_told_from_one_that_does_not_end(answering: Address) -> None:
    """Where systemd starts it again, killing it would help nobody."""
    error = stopped(answering, OBEYS)
    assert "another runs in its place" in error.happened
    assert "systemctl stop lading-agent" in error.hint
    error = stopped(answering, IGNORES)
    assert "has not ended" in error.happened
    assert "then kill" in error.hint
