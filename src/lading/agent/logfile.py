"""The agent's own log: rotated, and free of every secret value the agent knows."""

import logging
from collections.abc import Callable, Iterable
from logging.handlers import RotatingFileHandler
from pathlib import Path

from lading.model.secret import Secret, redact

LARGEST = 4 << 20  # bytes of one log file
KEPT = 3  # earlier log files

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class Redacting(logging.Formatter):
    """Formats a record, traceback included, and masks what is secret in it."""

    def __init__(self) -> None:
        super().__init__(FORMAT)
        self.known: Callable[[], Iterable[Secret]] = tuple

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one text without secrets."""
        return redact(super().format(record), self.known())


def open_log(path: Path) -> Redacting:
    """Send all logging to a file; the returned formatter is told what is secret once that is known."""
    path.touch(mode=0o600, exist_ok=True)
    formatter = Redacting()
    handler = RotatingFileHandler(path, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    return formatter
