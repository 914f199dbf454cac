"""Tells a rollout's story: one line a step, live on a terminal, plain elsewhere, JSON lines for scripts."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, NamedTuple, Protocol

from lading.cli.state import State, echo, echo_json
from lading.cli.words import clock, seconds

WIDEST = 100  # columns that a line fills at most
LABEL = 16  # columns of a step's name
REDRAWS = 10  # per second, of the waiting line


class Line(NamedTuple):
    """One finished line of the story: its mark, the step's name, what came of it, and how long it took."""

    mark: str
    label: str
    text: str
    seconds: float | None


class Story(Protocol):
    """Where events are told."""

    def event(self, event: dict[str, Any]) -> None:
        """Tell one event."""
        ...

    def close(self) -> None:
        """End the story; what waits is no longer shown."""
        ...


_MARKS = {"done": "✓", "failed": "✗", "undone": "↩", "direction": "↩", "warning": "!"}
_WAITING = ("step", "progress", "undo")
COLOURS = {"✓": "green", "✗": "red", "↩": "yellow", "!": "yellow"}


def line_of(event: dict[str, Any]) -> Line | None:
    """Return the line an event leaves behind, None when it leaves none."""
    mark = _MARKS.get(event["kind"])
    if mark is None:
        return None
    label = "" if event["kind"] in ("direction", "warning") and not event.get("name") else event.get("name", "")
    text = "  ".join(part for part in (event.get("subject", ""), event.get("text", "")) if part)
    return Line(mark, label, text, event.get("seconds"))


def layout(line: Line, width: int) -> str:
    """Lay a line out: mark, name, text, and the time at the right edge."""
    left = f"  {line.mark} {line.label:<{LABEL}} {line.text}" if line.label else f"  {line.mark} {line.text}"
    right = seconds(line.seconds) if line.seconds is not None else ""
    return f"{left}{right:>{max(len(right) + 2, width - len(left))}}".rstrip()


def width_of_terminal() -> int:
    """Return how many columns a line may fill."""
    return min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)


class JsonStory:
    """Every event as it came, one JSON object a line."""

    def event(self, event: dict[str, Any]) -> None:
        """Print the event."""
        echo_json({"event": event})

    def close(self) -> None:
        """Do nothing: every line is complete."""


class PlainStory:
    """Finished lines only, for pipes and log files."""

    def event(self, event: dict[str, Any]) -> None:
        """Print the line the event leaves behind."""
        line = line_of(event)
        if line is not None:
            echo(layout(line, WIDEST))

    def close(self) -> None:
        """Do nothing: every line is complete."""


class LiveStory:
    """Finished lines, and below them the step that waits, with what it waits for."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False)
        self._waiting: Line | None = None
        self._since = time.monotonic()
        self._live = Live(console=self._console, get_renderable=self._draw, refresh_per_second=REDRAWS, transient=True)
        self._live.start()

    def event(self, event: dict[str, Any]) -> None:
        """Print the event's line, or show it as what is waited for."""
        if event["kind"] in _WAITING:
            self._wait(event)
            return
        line = line_of(event)
        if line is not None:
            self._waiting = None
            self._print(line)

    def close(self) -> None:
        """Stop drawing."""
        self._waiting = None
        self._live.stop()

    def _wait(self, event: dict[str, Any]) -> None:
        if event["kind"] != "progress" or self._waiting is None:
            self._since = time.monotonic()
        text = "  ".join(part for part in (event.get("subject", ""), event.get("text", "")) if part)
        self._waiting = Line("", event.get("name", ""), text, None)

    def _print(self, line: Line) -> None:
        from rich.text import Text

        text = Text(layout(line, width_of_terminal()))
        text.stylize(COLOURS[line.mark], 2, 3)
        self._console.print(text, soft_wrap=True)

    def _draw(self) -> Any:
        from rich.text import Text

        if self._waiting is None:
            return Text("")
        passed = time.monotonic() - self._since
        frame = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[int(passed * REDRAWS) % 10]
        left = layout(self._waiting._replace(mark=frame), width_of_terminal())
        right = clock(passed)
        room = width_of_terminal() - len(right) - 2
        return Text(f"{left[:room]:<{room}}  {right}", style="bold", no_wrap=True)


def story_for(state: State) -> Story:
    """Return the story that fits where the output goes."""
    if state.json:
        return JsonStory()
    return LiveStory() if sys.stdout.isatty() else PlainStory()
