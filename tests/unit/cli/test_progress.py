"""The drawing of a story, with a clock of its own, on a terminal that is emulated."""

import io
from collections.abc import Callable
from typing import Any

import pyte
import pytest

from lading.cli import progress
from lading.cli.cells import width
from lading.cli.progress import LiveStory, PlainStory, sentence, working
from lading.cli.state import State
from lading.cli.terminal import can_redraw, columns, wants_colour


class Window(io.StringIO):
    """A terminal's window: what is written to it is shown by an emulator."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        super().__init__()
        self.screen = pyte.Screen(columns, lines)
        self._emulator = pyte.Stream(self.screen)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        # As a terminal's line discipline does it.
        self._emulator.feed(text.replace("\n", "\r\n"))
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        """The lines that show something."""
        shown = [line.rstrip() for line in self.screen.display]
        while shown and not shown[-1]:
            shown.pop()
        return shown


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sized(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let every window be as wide as the emulator's is at that moment."""
    monkeypatch.setattr(progress, "columns", lambda stream=None: min(100, stream.screen.columns - 1))


def _event(kind: str, name: str = "", text: str = "", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "text": text, "at": None, **more}


STORY = [
    _event("step", "preflight", "disk, platform, 2 secrets", at=1000.0),
    _event("done", "preflight", "disk 41 GB · secrets 2/2", at=1000.1, seconds=0.1),
    _event("step", "ready", "GET /ready", subject="web/1 web/2", at=1000.2),
    _event(
        "progress",
        "ready",
        "web/1: 503, expected 200",
        at=1003.2,
        data={"limit": 30.0, "line": "INFO waiting for the database"},
    ),
]


def test_the_waiting_step_shows_what_it_waits_for(time: Time, sized: None) -> None:
    """Below the finished lines: the step, what it waits for, its time of how long it may take, and its last output."""
    window = Window()
    story = LiveStory(window, time)
    for event in STORY:
        story.event(event)
    time.now += 4.0
    story.screen.draw()
    assert window.lines == [
        "  ✓ preflight        disk 41 GB · secrets 2/2                             0.1 s",
        "  ⠹ ready            web/1: 503, expected 200                       0:07 / 0:30",
        "    │ INFO waiting for the database",
    ]
    story.event(_event("done", "ready", "2 tries", subject="web/1 web/2", at=1007.2, seconds=7.0))
    story.screen.draw()
    assert window.lines == [
        "  ✓ preflight        disk 41 GB · secrets 2/2                             0.1 s",
        "  ✓ ready            web/1 web/2  2 tries                                 7.0 s",
    ]


def test_a_watch_shows_how_much_of_it_is_over(time: Time, sized: None) -> None:
    """What an agent says is left counts, also when it was interrupted: ``0:14 / 1:00``."""
    window = Window()
    story = LiveStory(window, time)
    story.event(_event("step", "watch", "60 s", at=5.0))
    story.event(_event("progress", "watch", "0.0% errors · p95 38 ms", at=6.0, data={"left": 46.0, "seconds": 60.0}))
    story.screen.draw()
    assert window.lines[0].endswith("0:14 / 1:00")


@pytest.mark.parametrize("size", [20, 40, 60, 100, 160])
def test_every_width_is_kept(time: Time, sized: None, size: int) -> None:
    """Nothing that is drawn is wider than the window; what is finished goes on below instead of being cut."""
    window = Window(size)
    story = LiveStory(window, time)
    for event in STORY:
        story.event(event)
    story.screen.draw()
    written = window.getvalue()
    assert len(window.lines) >= 3
    assert "secrets" in "".join(window.lines)
    assert all(width(line) <= size for line in window.lines)
    assert "\x1b[2J" not in written, "the terminal's other content is not ours to clear"


def test_in_40_columns_a_line_goes_on_below(time: Time, sized: None) -> None:
    """A narrow terminal gets shorter names and hanging lines."""
    window = Window(40)
    story = LiveStory(window, time)
    story.event(_event("done", "preflight", "disk 41 GB · secrets 2/2 · bill accepted", seconds=0.1))
    assert window.lines == [
        "  ✓ preflight  disk 41 GB ·       0.1 s",
        "               secrets 2/2 ·",
        "               bill accepted",
    ]


@pytest.mark.parametrize("size", [30, 45, 79])
def test_a_window_made_smaller_leaves_nothing_behind(time: Time, sized: None, size: int) -> None:
    """After the window was resized the waiting step is there once, and gone when it has ended."""
    window = Window(80)
    story = LiveStory(window, time)
    for event in STORY:
        story.event(event)
        story.screen.draw()
    window.screen.resize(columns=size)
    for _ in range(3):
        story.screen.draw()
    assert sum("ready" in line for line in window.lines) == 1
    story.close()
    assert not any("ready" in line or "waiting" in line for line in window.lines)


def test_a_killed_process_leaves_the_cursor_where_a_prompt_overwrites(time: Time, sized: None) -> None:
    """The cursor is never hidden and rests at the beginning of the waiting line."""
    window = Window()
    story = LiveStory(window, time)
    for event in STORY:
        story.event(event)
    story.screen.draw()
    assert (window.screen.cursor.x, window.screen.cursor.y) == (0, 1)
    assert not window.screen.cursor.hidden
    assert pyte.modes.DECAWM in window.screen.mode


def test_a_programs_output_gives_the_terminal_no_orders(time: Time, sized: None) -> None:
    """Neither a line of its log nor what a check answered moves the cursor or colours anything."""
    window = Window()
    story = LiveStory(window, time)
    story.event(_event("step", "ready", "GET /ready"))
    story.event(
        _event("progress", "ready", "web/1: \x1b[2J\x1b[H503", data={"line": "\x1b]0;evil\x07a\rb\x1b[31m日本"})
    )
    story.event(_event("warning", "ready", "x\x1b[1A\x1b[2K\ny"))
    story.screen.draw()
    assert [line.split("  ", 2)[-1].strip() for line in window.lines] == [
        "x y",
        "web/1: 503                                            0:00",
        "│ b日本",
    ]
    assert "evil" not in window.screen.title


def test_wide_signs_do_not_shift_the_times(time: Time, sized: None) -> None:
    """The time of a line with wide characters still ends at the right edge."""
    window = Window(60)
    story = LiveStory(window, time)
    story.event(_event("done", "smoke", "日本語のチェック", seconds=1.0))
    assert width(window.lines[0].replace(" の", "の")) >= 0
    assert "".join(window.screen.buffer[0][column].data for column in range(54, 59)) == "1.0 s"


def test_a_story_that_is_joined_late_knows_how_long_the_step_has_taken(time: Time, sized: None) -> None:
    """Elapsed times come from the agent's own clock, so a client with another one is right all the same."""
    window = Window()
    story = LiveStory(window, time)
    story.event(_event("step", "ready", "GET /ready", at=5_000_000.0))
    story.event(_event("progress", "ready", "web/1: 503", at=5_000_042.0))
    time.now += 1
    story.screen.draw()
    assert window.lines[0].endswith("0:43")


def test_a_terminal_without_such_signs_gets_others(time: Time, sized: None) -> None:
    """Where the encoding has no check mark, plain ASCII stands for it."""
    window = Window()
    window.encoding = "ascii"
    story = LiveStory(window, time)
    story.event(_event("done", "start", "ok", seconds=0.1))
    story.event(_event("step", "ready", "GET"))
    story.screen.draw()
    assert window.lines[0].startswith("  + start")
    assert window.lines[1][2] in "|/-\\"


def test_a_pipe_gets_finished_lines_and_a_sign_of_life(time: Time, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is drawn anew; of a step that takes long one is told now and then, so that a CI job is not silent."""
    story = PlainStory(time)
    for event in STORY:
        story.event(event)
    assert "ready" not in capsys.readouterr().out
    for second in range(4, 70):
        story.event(_event("progress", "ready", "web/1: 503", at=1000.2 + second, data={"limit": 120.0}))
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[-3:] for line in told] == [["0:30", "/", "2:00"], ["1:00", "/", "2:00"]]
    assert all("\x1b" not in line for line in told)


def test_a_last_line_is_broken_between_its_parts(monkeypatch: pytest.MonkeyPatch, sized: None) -> None:
    """Where it does not fit, the rest goes on below; a pipe gets it in one."""
    parts = ["production serves v1.1.0", "0 of 340 probe requests lost", "back in one step: lading rollback production"]
    assert sentence(parts).count("\n") == 0
    monkeypatch.setattr("sys.stdout", Window(80))
    assert sentence(parts).splitlines() == [" · ".join(parts[:2]), parts[2]]


@pytest.mark.parametrize(
    ("environ", "terminal", "coloured"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"CLICOLOR_FORCE": "1"}, False, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colours_are_where_they_are_wanted(environ: dict[str, str], terminal: bool, coloured: bool) -> None:
    """NO_COLOR forbids, FORCE_COLOR and CLICOLOR_FORCE ask, else a terminal that is not dumb gets them."""
    stream = Window() if terminal else io.StringIO()
    assert wants_colour(stream, environ) is coloured


def test_only_a_clever_terminal_is_drawn_on() -> None:
    """A pipe, a dumb terminal and one that nobody names get plain lines."""
    assert can_redraw(Window(), {"TERM": "xterm"})
    assert not can_redraw(Window(), {"TERM": "dumb"})
    assert not can_redraw(Window(), {})
    assert not can_redraw(io.StringIO(), {"TERM": "xterm"})


def test_columns_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line fills 100 columns at most and leaves the last one free; nonsense in COLUMNS is none."""
    stream = io.StringIO()
    for given, found in (("72", 71), ("300", 100), ("0", 100), ("wide", 100), ("3", 20)):
        monkeypatch.setenv("COLUMNS", given)
        assert columns(stream) == found


@pytest.fixture
def on_window(monkeypatch: pytest.MonkeyPatch, sized: None) -> Callable[[], Window]:
    """Let what this process prints go to a window; to be called in the test, as pytest sets the stream before it."""

    def put() -> Window:
        window = Window()
        monkeypatch.setattr("sys.stdout", window)
        return window

    return put


def test_work_of_ones_own_turns_and_leaves_its_line(on_window: Callable[[], Window]) -> None:
    """A command that waits shows for what, prints what it learns above, and leaves one line."""
    window = on_window()
    with working(State(), "build", "reading the source") as work:
        work.wait("14 packages", last="Downloading pandas", limit=60)
        work.say("    source  4 files")
        story = LiveStory.open
        assert story is not None
        story.screen.draw()
        assert [line[:32].rstrip() for line in window.lines] == [
            "    source  4 files",
            f"{window.lines[1][:3]} build            14 packages",
            "    │ Downloading pandas",
        ]
        work.done("built")
    assert [line[:32].rstrip() for line in window.lines] == ["    source  4 files", "  ✓ build            built"]
    assert LiveStory.open is None


def test_work_within_a_story_takes_its_place_meanwhile(on_window: Callable[[], Window]) -> None:
    """An agent that has to be started again in the middle of a rollout is shown; then the step goes on."""
    window = on_window()
    with working(State(), "ready", "web/1: 503"):
        story = LiveStory.open
        assert story is not None
        with working(State(), "agent", "starting"):
            story.screen.draw()
            assert [line.split()[1] for line in window.lines] == ["agent"]
        story.screen.draw()
        assert [line.split()[1] for line in window.lines] == ["ready"]


def test_work_that_fails_leaves_nothing_standing(on_window: Callable[[], Window]) -> None:
    """What was waited for is taken away before the error is told."""
    window = on_window()

    def fail() -> None:
        with working(State(), "build", "packages") as work:
            work.wait("packages", last="line")
            assert LiveStory.open is not None
            LiveStory.open.screen.draw()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert window.lines == []


def test_a_terminal_that_goes_away_ends_the_drawing(time: Time, sized: None) -> None:
    """The thread that draws ends quietly; who prints next is told."""
    window = Window()
    story = LiveStory(window, time)
    story.start()
    story.event(STORY[0])
    window.close()
    story.screen._thread.join(5)
    assert not story.screen._thread.is_alive()
    story.screen._drawn = 0
    story.close()
