"""The story on a real terminal: what is waited for, colours, windows that change, and Ctrl-C at every phase."""

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.cli.cells import width
from tests.support import until
from tests.support_agent import MemoryAgent
from tests.support_terminal import Terminal
from tests.unit.cli.conftest import Run

COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?3[0-9]m")
TURNING = re.compile(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ")


def _lading(project: Path, *words: str, **more: Any) -> Terminal:
    return Terminal([sys.executable, "-m", "lading.cli.main", *words], project, **more)


@pytest.fixture
def gate(agent: MemoryAgent) -> threading.Event:
    """Holds every ready check back until it is set."""
    gate = threading.Event()
    probe = agent.world.checks.probe

    def waiting(address: str, asked: Any) -> Any:
        gate.wait(20)
        return probe(address, asked)

    agent.world.checks.probe = waiting  # type: ignore[method-assign]
    return gate


def test_a_terminal_shows_what_is_waited_for(project: Path, agent: MemoryAgent, gate: threading.Event) -> None:
    """Finished steps stay as lines; the waiting one turns, with its time at the right edge, and leaves nothing."""
    with _lading(project, "deploy", "stage") as terminal:
        terminal.until(" health ")
        until(lambda: re.search(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] health .* \d:\d\d$", terminal.text))
        gate.set()
        assert terminal.wait() == 0
    assert "✓ cutover" in terminal.text
    assert "stage serves v1.0.0" in terminal.text
    assert not TURNING.search(terminal.text)
    assert COLOUR.search(terminal.written)
    assert max(map(width, terminal.lines)) <= 90


@pytest.mark.parametrize("value", ["1", "yes"])
def test_no_color_is_respected(project: Path, agent: MemoryAgent, value: str) -> None:
    """With NO_COLOR set, a terminal gets no colours."""
    with _lading(project, "deploy", "stage", NO_COLOR=value) as terminal:
        assert terminal.wait() == 0
    assert not COLOUR.search(terminal.written)


def test_a_dumb_terminal_gets_plain_lines(project: Path, agent: MemoryAgent) -> None:
    """Where nothing can be drawn anew, finished lines are all there is, without a single escape sequence."""
    with _lading(project, "deploy", "stage", TERM="dumb") as terminal:
        assert terminal.wait() == 0
    assert b"\x1b" not in terminal.written
    assert "✓ cutover" in terminal.text


def test_a_window_may_change_while_it_is_drawn_on(project: Path, agent: MemoryAgent, gate: threading.Event) -> None:
    """Made narrower in the middle, the window shows the waiting step once, cut to what fits."""
    with _lading(project, "deploy", "stage") as terminal:
        terminal.until(" health ")
        terminal.resize(40)
        until(lambda: any(TURNING.search(line) and len(line) < 40 for line in terminal.lines))
        gate.set()
        assert terminal.wait() == 0
    assert not TURNING.search(terminal.text)
    assert "✓ prune" in terminal.text


@pytest.mark.parametrize("keys", ["\x03", "\x03\x03"])
def test_ctrl_c_detaches_and_the_rollout_goes_on(
    project: Path, agent: MemoryAgent, gate: threading.Event, keys: str
) -> None:
    """Ctrl-C, also twice, stops watching only: 130, how to follow it, how to turn it back, and nothing garbled."""
    with _lading(project, "deploy", "stage") as terminal:
        until(lambda: TURNING.search(terminal.text) and " health " in terminal.text)
        terminal.type(keys)
        assert terminal.wait() == 130
    assert terminal.lines[-3:] == [
        "detached: rollout 1 goes on without this terminal and ends in the new or the old release",
        "  follow it:    lading follow stage",
        "  turn it back: lading cancel stage",
    ]
    assert not TURNING.search(terminal.text)
    assert agent.world.journal.unfinished()
    gate.set()
    until(lambda: not agent.world.journal.unfinished())
    assert agent.world.journal.rollouts()[0].outcome == "succeeded"


def test_a_detached_rollout_is_followed_again(
    project: Path, agent: MemoryAgent, gate: threading.Event, run: Run
) -> None:
    """``follow`` tells the story from its beginning, live to its end, and ends as the deploy would have."""
    with _lading(project, "deploy", "stage") as terminal:
        terminal.until(" health ")
        terminal.type("\x03")
        assert terminal.wait() == 130
    with _lading(project, "follow", "stage") as terminal:
        terminal.until(" health ")
        assert "✓ start" in terminal.text
        gate.set()
        assert terminal.wait() == 0
    assert "stage serves v1.0.0" in terminal.text


def _interrupted_in_build(project: Path, agent: MemoryAgent, *words: str) -> tuple[Terminal, Callable[[], bool]]:
    """Press Ctrl-C while the agent builds; return the terminal, and whether the build has been given up."""
    shelf, entered, given_up = agent.service.releases, threading.Event(), threading.Event()

    def building(*arguments: Any) -> Any:
        report = arguments[-1]
        entered.set()
        try:
            while True:
                report("environment  still at it")
                threading.Event().wait(0.02)
        finally:
            given_up.set()

    shelf._build = building  # type: ignore[method-assign]
    with _lading(project, *words) as terminal:
        assert entered.wait(10)
        terminal.until("still at it")
        terminal.type("\x03")
        assert terminal.wait() == 130
    return terminal, lambda: given_up.wait(10)


def test_ctrl_c_in_a_build_starts_nothing(project: Path, agent: MemoryAgent) -> None:
    """While something is built nothing is accepted yet: it is given up, here and at the agent, and that is said."""
    terminal, given_up = _interrupted_in_build(project, agent, "deploy", "stage")
    assert "cancelled: nothing was started; stage serves what it served" in terminal.text
    assert given_up()
    assert not agent.world.journal.releases("shop")
    assert not agent.world.journal.rollouts()


def test_ctrl_c_in_a_release_makes_none(project: Path, agent: MemoryAgent) -> None:
    """``release`` that is interrupted records no release, so that its version is free."""
    terminal, given_up = _interrupted_in_build(project, agent, "release")
    assert "cancelled: the agent drops the build" in terminal.text
    assert given_up()
    assert not agent.world.journal.releases("shop")


def _slow_to_answer(agent: MemoryAgent) -> tuple[threading.Event, threading.Event]:
    """Let the agent take its time over a request for a rollout; return when it was asked, and what lets it answer."""
    request, asked, answer = agent.rollouts.request, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> Any:
        asked.set()
        answer.wait(10)
        return request(*arguments)

    agent.rollouts.request = slow  # type: ignore[method-assign]
    return asked, answer


def test_ctrl_c_while_the_agent_is_asked_waits_for_its_answer(
    project: Path, agent: MemoryAgent, run: Run, gate: threading.Event
) -> None:
    """A Ctrl-C between question and answer is kept: what is said then is what the agent did."""
    assert run("release").status == 0
    asked, answer = _slow_to_answer(agent)
    with _lading(project, "deploy", "stage") as terminal:
        assert asked.wait(10)
        terminal.type("\x03")
        terminal.until("waiting for the agent's answer")
        answer.set()
        assert terminal.wait() == 130
    assert "detached: rollout 1 goes on" in terminal.text
    gate.set()


def test_who_cannot_wait_for_the_answer_is_told_what_is_not_known(project: Path, agent: MemoryAgent, run: Run) -> None:
    """A second Ctrl-C before the agent has answered ends at once and says how to find out."""
    assert run("release").status == 0
    asked, answer = _slow_to_answer(agent)
    with _lading(project, "deploy", "stage") as terminal:
        assert asked.wait(10)
        terminal.type("\x03")
        terminal.until("Ctrl-C again does not wait")
        terminal.type("\x03")
        assert terminal.wait() == 130
    answer.set()
    assert "it may have accepted the rollout" in terminal.text
    assert "lading follow stage" in terminal.text


def test_ctrl_c_while_turning_back_turns_back_all_the_same(
    project: Path, agent: MemoryAgent, gate: threading.Event
) -> None:
    """``cancel`` that is interrupted has been heard: the rollout turns back without the terminal."""
    with _lading(project, "deploy", "stage") as terminal:
        terminal.until(" health ")
        terminal.type("\x03")
        terminal.wait()
    with _lading(project, "cancel", "stage") as terminal:
        terminal.until(" health ")
        terminal.type("\x03")
        assert terminal.wait() == 130
    gate.set()
    until(lambda: not agent.world.journal.unfinished())
    assert agent.world.journal.rollouts()[0].outcome == "cancelled"


def test_a_reader_that_goes_away_ends_a_deploy_quietly(project: Path, agent: MemoryAgent) -> None:
    """``lading deploy stage | head -1`` prints one line and no complaint; the rollout goes on."""
    command = f"{sys.executable} -m lading.cli.main deploy stage | head -n 1; echo status ${{PIPESTATUS[0]}}"
    with Terminal(["/bin/bash", "-c", command], project) as terminal:
        terminal.wait()
    assert next(line for line in terminal.lines if line).startswith("    source")
    assert "Traceback" not in terminal.text
    assert "Error" not in terminal.text
    assert "status 141" in terminal.text
