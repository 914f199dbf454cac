"""The agent's own log: rotated, and free of every secret value the agent knows."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from lading.model.errors import LadingError
from lading.model.secret import Secret, redact

LARGEST = 4 << 20  # bytes of one log file
KEPT = 3  # earlier log files

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class Redacting(logging.Formatter):
    """Formats a record, traceback included, and masks what is secret in it."""

    def __init__(self) -> None:
        super().__init__(FORMAT)
        self.known: Callable[[], Iterable[Secret]] = tuple
        self._last: tuple[Secret, ...] = ()

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one text without secrets."""
        # What cannot be read now may have been read before; a line that tells of it must be written all the same.
        with contextlib.suppress(LadingError, OSError):
            self._last = tuple(self.known())
        return redact(super().format(record), self._last)


class _Private(RotatingFileHandler):
    """Makes every log file for its owner alone, the fresh one after a rotation too."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return os.fdopen(descriptor, self.mode, encoding=self.encoding)  # type: ignore[return-value]


def open_log(path: Path) -> Redacting:
    """Send all logging to a file; the returned formatter is told what is secret once that is known."""
    formatter = Redacting()
    handler = _Private(path, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Else it would be printed past the formatter.
    threading.excepthook = _log_death
    return formatter


def _log_death(died: threading.ExceptHookArgs) -> None:
    name = died.thread.name if died.thread is not None else "unknown"
    error = died.exc_value or died.exc_type()
    logging.getLogger(__name__).error("thread %s died", name, exc_info=error)
