"""The agent's own log: private, masked, and written even when the secrets cannot be read."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.agent import logfile
from lading.model.errors import LadingError
from lading.model.secret import MASK, Secret


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, logfile.Redacting]]:
    """A log that rotates after a few lines; logging and threads are as they were afterwards."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers[:], root.level, threading.excepthook
    monkeypatch.setattr(logfile, "LARGEST", 500)
    path = tmp_path / "agent.log"
    formatter = logfile.open_log(path)
    formatter.known = lambda: [Secret("canary-4711")]
    yield path, formatter
    for handler in root.handlers:
        handler.close()
    root.handlers[:], threading.excepthook = handlers, hook
    root.setLevel(level)


def test_every_log_file_is_private(log: tuple[Path, logfile.Redacting]) -> None:
    """The file that follows a full one is its owner's alone, as the first is."""
    for number in range(100):
        logging.getLogger("x").warning("line %s", number)
    files = list(log[0].parent.iterdir())
    assert len(files) == 1 + logfile.KEPT
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_a_thread_that_dies_is_logged_masked(log: tuple[Path, logfile.Redacting]) -> None:
    """A traceback that nobody caught goes through the same masking as everything else."""

    def die() -> None:
        raise ValueError("cannot log in with canary-4711")

    thread = threading.Thread(target=die, name="prober-1")
    thread.start()
    thread.join()
    text = log[0].read_text()
    assert "thread prober-1 died" in text
    assert "ValueError" in text
    assert "canary" not in text
    assert MASK in text


def test_what_was_known_stays_masked(log: tuple[Path, logfile.Redacting]) -> None:
    """While the secrets cannot be read, a line is still written, and values that were known are masked."""
    logging.getLogger("x").warning("all is well")

    def unreadable() -> list[Secret]:
        raise LadingError("secrets-unusable", happened="the key is gone")

    log[1].known = unreadable
    logging.getLogger("x").warning("the key is gone, said canary-4711")
    assert f"the key is gone, said {MASK}" in log[0].read_text()
