"""Tells a story of steps: one line a step, live on a terminal, plain elsewhere, JSON lines for scripts.

The story of a rollout comes as events of its agent (:class:`Story`); a command that waits for something else tells so
with :func:`working`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, ClassVar, NamedTuple, Protocol, TextIO

from lading.cli.cells import fit, one_line, pad, width, wrap
from lading.cli.screen import REDRAWS, Screen
from lading.cli.state import State, echo, echo_json
from lading.cli.terminal import WIDEST, Paint, Signs, can_redraw, columns, wants_colour
from lading.cli.words import clock, seconds

LABEL = 16  # columns of a step's name
SHORT_LABEL = 10  # the same in a narrow terminal
NARROW = 64  # columns below which a terminal is one
LEAST_TEXT = 12  # columns that a text gets however narrow the terminal is
STILL = 30.0  # seconds after which a step that goes on is told of where nothing can be drawn anew


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
_ENDS = ("done", "failed", "undone", "finished")
COLOURS = {"✓": "green", "✗": "red", "↩": "yellow", "!": "yellow"}


def line_of(event: dict[str, Any]) -> Line | None:
    """Return the line an event leaves behind, None when it leaves none."""
    mark = _MARKS.get(event["kind"])
    if mark is None:
        return None
    return Line(mark, event.get("name", ""), _text_of(event), event.get("seconds"))


def _text_of(event: dict[str, Any]) -> str:
    parts = (event.get("subject", ""), event.get("text", ""))
    return "  ".join(one_line(part) for part in parts if part)


def layout(line: Line, room: int) -> str:
    """Lay a line out in one piece: mark, name, text, and the time at the right edge if the text leaves room."""
    left = f"  {line.mark} {line.label:<{LABEL}} {line.text}" if line.label else f"  {line.mark} {line.text}"
    right = seconds(line.seconds) if line.seconds is not None else ""
    return f"{left}{right:>{max(len(right) + 2, room - width(left))}}".rstrip()


def _label(name: str, room: int) -> str:
    return f"{name:<{LABEL if room >= NARROW else SHORT_LABEL}} " if name else ""


def lay_out(line: Line, room: int, paint: Paint, signs: Signs) -> list[str]:
    """Lay a line out within a terminal's columns: what does not fit goes on below, under its text."""
    label = _label(line.label, room)
    right = seconds(line.seconds) if line.seconds is not None else ""
    indent = 4 + width(label)
    gap = len(right) + 2 if right else 0
    first, *rest = wrap(line.text, max(LEAST_TEXT, room - indent - gap))
    left = pad(f"{label}{first}", room - 4 - len(right)) if right else f"{label}{first}"
    mark = paint(signs.mark(line.mark), COLOURS.get(line.mark, ""))
    return [f"  {mark} {left}{paint(right, 'dim')}".rstrip(), *(" " * indent + piece for piece in rest)]


def sentence(parts: Sequence[str]) -> str:
    """Join the parts of a last line; where a terminal is too narrow for all of them, the rest goes on below."""
    room = columns(sys.stdout) if can_redraw(sys.stdout) else sys.maxsize
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        lines[-1:] = [longer] if not lines or width(longer) <= room else [lines[-1], part]
    return "\n".join(lines)


class Wait:
    """The step that goes on: its name, what is waited for, the last output of that, and since when."""

    def __init__(self, name: str, text: str, since: float) -> None:
        self.name = name
        self.text = text
        self.last = ""
        self.limit: float | None = None  # seconds it may take
        self._since = since

    def hear(self, event: dict[str, Any], now: float) -> None:
        """Take over what a line of progress says."""
        data = event.get("data") or {}
        self.text = one_line(event.get("text", "")) or self.text
        self.last = one_line(data.get("line", ""))
        self.limit = data.get("limit", data.get("seconds"))
        if "left" in data and self.limit is not None:
            # An agent that died meanwhile goes on counting where it was.
            self._since = now - (self.limit - data["left"])

    def times(self, now: float) -> str:
        """Return how long it has taken, of how long it may: ``0:14 / 1:00``."""
        passed = clock(max(0.0, now - self._since))
        return f"{passed} / {clock(self.limit)}" if self.limit else passed


class Clock:
    """The time of a story: its events' own as far as they have any, so that a story that is joined late is right."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._ahead: float | None = None

    def hear(self, event: dict[str, Any]) -> None:
        """Take an event's time for the present one."""
        if event.get("at") is not None:
            self._ahead = event["at"] - self._now()

    def __call__(self) -> float:
        """Return the seconds now."""
        return self._now() + (self._ahead or 0.0)


class Waits:
    """Keeps what a story waits for."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.clock = Clock(now)
        self.current: Wait | None = None

    def hear(self, event: dict[str, Any]) -> None:
        """Take over what an event says of the step that goes on."""
        self.clock.hear(event)
        kind = event["kind"]
        if kind in _ENDS:
            self.current = None
        elif kind in _WAITING:
            if kind != "progress" or self.current is None:
                self.current = Wait(event.get("name", ""), _text_of(event), self.clock())
            if kind == "progress":
                self.current.hear(event, self.clock())


class JsonStory:
    """Every event as it came, one JSON object a line."""

    def event(self, event: dict[str, Any]) -> None:
        """Print the event."""
        echo_json({"event": event})

    def close(self) -> None:
        """Do nothing: every line is complete."""


class PlainStory:
    """Finished lines, for pipes and log files; and now and then that a long step still goes on."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._waits = Waits(now)
        self._told = 0.0

    def event(self, event: dict[str, Any]) -> None:
        """Print the line the event leaves behind."""
        before = self._waits.current
        self._waits.hear(event)
        wait, now = self._waits.current, self._waits.clock()
        if wait is not before:
            self._told = now
        elif wait is not None and now - self._told >= STILL:
            self._told = now
            echo(f"{layout(Line('·', wait.name, wait.text, None), WIDEST)}  {wait.times(now)}")
        line = line_of(event)
        if line is not None:
            echo(layout(line, WIDEST))

    def close(self) -> None:
        """Do nothing: every line is complete."""


class LiveStory:
    """Finished lines, and below them the step that goes on, with what it waits for and the last output of that."""

    open: ClassVar[LiveStory | None] = None  # the one that draws now: there is but one bottom of a terminal

    def __init__(self, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stdout
        self._paint = Paint(wants_colour(self._stream))
        self._signs = Signs(self._stream)
        self.waits = Waits(now)
        self.screen = Screen(self._stream, self._block)

    def event(self, event: dict[str, Any]) -> None:
        """Print the event's line, or show it as what is waited for."""
        self.waits.hear(event)
        line = line_of(event)
        if line is not None:
            self.screen.print(lay_out(line, columns(self._stream), self._paint, self._signs))

    def print(self, text: str) -> None:
        """Print a line of text above what is waited for."""
        self.screen.print([one_line(text)])

    def start(self) -> None:
        """Begin to draw."""
        LiveStory.open = self
        self.screen.start()

    def close(self) -> None:
        """Stop drawing; calling it again does nothing."""
        self.screen.close()
        if LiveStory.open is self:
            LiveStory.open = None

    def _block(self) -> list[str]:
        wait = self.waits.current
        if wait is None:
            return []
        now = self.waits.clock()
        room = columns(self._stream)
        frame = self._signs.frames[int(now * REDRAWS) % len(self._signs.frames)]
        times = wait.times(now)
        left = pad(fit(f"{_label(wait.name, room)}{wait.text}", room - 6 - len(times)), room - 4 - len(times))
        lines = [f"  {self._paint(frame, 'cyan')} {left}{self._paint(times, 'dim')}"]
        if wait.last:
            lines.append("    " + self._paint(fit(f"│ {wait.last}", room - 4), "dim"))
        return lines


def story_for(state: State) -> Story:
    """Return the story that fits where the output goes; :meth:`Story.close` ends it."""
    if state.json:
        return JsonStory()
    if not can_redraw(sys.stdout):
        return PlainStory()
    story = LiveStory()
    story.start()
    return story


class Work:
    """A step of the command's own, as it is told while it goes on."""

    def __init__(self, state: State, name: str, story: Story) -> None:
        self._state = state
        self._name = name
        self._story = story
        self._began = time.monotonic()

    def wait(self, text: str, *, last: str = "", limit: float | None = None) -> None:
        """Say what is waited for, the last output of that, and how many seconds it may take; for terminals only."""
        if not self._state.json:
            data = {"line": last, **({"limit": limit} if limit is not None else {})}
            self._story.event({"kind": "progress", "name": self._name, "text": text, "data": data})

    def say(self, text: str) -> None:
        """Print a line of what came of it so far."""
        if isinstance(self._story, LiveStory):
            self._story.print(text)
        else:
            self._state.say(text)

    def done(self, text: str) -> None:
        """Leave the step's line behind; a script gets it as an event of the step's name."""
        took = round(time.monotonic() - self._began, 3)
        kind = self._name if self._state.json else "done"
        self._story.event({"kind": kind, "name": self._name, "text": text, "seconds": took})


@contextmanager
def working(state: State, name: str, text: str = "") -> Iterator[Work]:
    """Show a step of the command's own while the block runs, say building or waiting for an agent.

    On a terminal it turns with its time until the block ends; elsewhere only what :meth:`Work.say` and
    :meth:`Work.done` tell is printed. Whatever ends the block, nothing of what was waited for is left standing. Within
    another story (an agent that has to be started again in the middle of it) the step stands in its place meanwhile.
    """
    with _beside(LiveStory.open) if LiveStory.open else closing(story_for(state)) as story:
        work = Work(state, name, story)
        if text:
            work.wait(text)
        yield work


@contextmanager
def _beside(story: LiveStory) -> Iterator[LiveStory]:
    before = story.waits.current
    story.waits.current = None
    try:
        yield story
    finally:
        story.waits.current = before
