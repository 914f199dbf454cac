"""Ctrl-C where it must not strike in the middle: while the agent is asked, and while the last words are printed."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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
def _handled_by(handler: Any, number: signal.Signals = signal.SIGINT) -> Iterator[None]:
    # Only the main thread gets signals, and only there a handler can be set.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def heard(*others: signal.Signals) -> Iterator[None]:
    """Let Ctrl-C be heard while the block runs, also where the shell had it ignored, and take other signals for it."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGINT)

    with ExitStack() as stack:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            stack.enter_context(_handled_by(signal.default_int_handler))
        for other in others:
            stack.enter_context(_handled_by(interrupt, other))
        yield
