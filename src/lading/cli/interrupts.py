"""Ctrl-C where it must not strike in the middle: while the agent is asked, and while the last words are printed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STDERR = 2  # file descriptor


@contextmanager
def postponed(notice: str = "") -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back while the block runs, and yield the way to ask whether it came; a second one strikes at once.

    What was held back does not strike later: whoever asks must act on it. ``notice`` is said (on stderr) when it came.
    """
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            signal.default_int_handler(number, frame)
        # Not by print: the signal may have come in the middle of one.
        os.write(STDERR, notice.encode())

    with _handled_by(hold):
        yield lambda: bool(came)


@contextmanager
def ignored() -> Iterator[None]:
    """Take no notice of Ctrl-C while the block runs: it has been heard, and the last words are being said."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    # Only the main thread gets signals, and only there a handler can be set.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
