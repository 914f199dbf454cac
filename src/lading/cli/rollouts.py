"""Asks an agent for a rollout and follows it to its end: what deploy, promote, rollback and cancel share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lading.cli.interrupts import ignored, postponed
from lading.cli.main import INTERRUPTED, tell_error
from lading.cli.progress import Story, sentence, story_for
from lading.cli.state import State, echo, echo_json
from lading.cli.words import count
from lading.client.agent import Agent, AgentError
from lading.client.follow import ask, follow
from lading.model.errors import LadingError

TURNED_BACK = ("unwound", "cancelled", "rolled_back")


@contextmanager
def refusals(state: State, environment: str, release: str | None) -> Iterator[None]:
    """Give scripts the result object for a rollout that was never opened, beside the error.

    Ctrl-C in here comes before an agent has accepted anything: what is under way is given up.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise given_up(state, f"nothing was started; {environment} serves what it served") from None
    except LadingError as error:
        if not state.json:
            raise
        known = error.answer.get("rollout") if isinstance(error, AgentError) else None
        echo_json({"rollout": known or _refused(environment, release), "error": error.to_plain()})
        raise click.exceptions.Exit(error.exit_status) from error


def given_up(state: State, now: str) -> click.exceptions.Exit:
    """Say that Ctrl-C ended the command before an agent had accepted anything, and return its end."""
    with ignored():
        state.note(f"\ncancelled: {now}\n  next:    the same command again takes up what is there already")
    return click.exceptions.Exit(INTERRUPTED)


def _refused(environment: str, release: str | None) -> dict[str, Any]:
    return {
        "id": None,
        "environment": environment,
        "release": release,
        "previous": None,
        "outcome": "refused",
        "seconds": 0.0,
        "lost_requests": 0,
        "requests": 0,
        "steps": [],
    }


def carry_out(state: State, agent: Agent, request: dict[str, Any]) -> int:
    """Ask for a rollout, tell its story, print its result, and return the exit status."""
    answer = accepted(state, agent, request)
    if answer["number"] is None:
        rollout = answer["rollout"]
        state.say(f"{rollout['environment']} already serves {rollout['release']} as configured; nothing to do")
        state.result({"rollout": rollout})
        return 0
    last = tell(state, agent, answer["number"], request["environment"])
    turned = request["kind"] == "rollback" and answer["kind"] != "rollback"
    return conclude(state, last, kind=answer["kind"], turned_back_is_done=turned)


def accepted(state: State, agent: Agent, request: dict[str, Any]) -> dict[str, Any]:
    """Ask for a rollout and return the agent's answer; Ctrl-C meanwhile ends the command once it is there."""
    environment = request["environment"]
    with _asking(state, environment) as interrupted:
        answer = ask(agent, request)
    if interrupted():
        if answer["number"] is None:
            raise given_up(
                state, f"{environment} already serves {answer['rollout']['release']}; nothing was to be done"
            )
        raise detached(state, answer["number"], environment)
    return answer


@contextmanager
def _asking(state: State, environment: str) -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the agent has said whether it accepts, so that what is told then is true."""
    try:
        notice = "" if state.json else "\nwaiting for the agent's answer; Ctrl-C again does not wait for it\n"
        with postponed(notice) as interrupted:
            yield interrupted
    except KeyboardInterrupt:
        state.note(
            f"\ninterrupted before the agent answered: it may have accepted the rollout\n"
            f"  see:          lading follow {environment}\n"
            f"  turn it back: lading cancel {environment}"
        )
        raise click.exceptions.Exit(INTERRUPTED) from None


def tell(state: State, agent: Agent, number: int, environment: str = "") -> dict[str, Any]:
    """Tell a rollout's story to its end and return the last line, which holds its result."""
    try:
        return watch(state, agent, number)
    except KeyboardInterrupt:
        with ignored():
            raise detached(state, number, environment) from None


def watch(state: State, agent: Agent, number: int) -> dict[str, Any]:
    """Tell a rollout's story to its end, or to Ctrl-C, and return the last line, which holds its result."""
    return told(agent, number, story_for(state))


def told(agent: Agent, number: int, story: Story) -> dict[str, Any]:
    """Tell a rollout in a story that was begun, close that, and return the last line, which holds the result."""
    try:
        for line in follow(agent, number):
            if "rollout" in line:
                return line
            story.event(line["event"])
    finally:
        story.close()
    raise AssertionError("follow ends with a result or raises")


def detached(state: State, number: int, environment: str) -> click.exceptions.Exit:
    """Say that an accepted rollout goes on without this terminal, and return the end of the command."""
    what = environment or str(number)
    state.note(
        f"\ndetached: rollout {number} goes on without this terminal and ends in the new or the old release\n"
        f"  follow it:    lading follow {what}\n"
        f"  turn it back: lading cancel {what}"
    )
    return click.exceptions.Exit(INTERRUPTED)


def conclude(state: State, last: dict[str, Any], *, kind: str = "deploy", turned_back_is_done: bool = False) -> int:
    """Print how a rollout of a kind ended and return the exit status."""
    from lading.cli.elsewhere import with_comparison

    last = last if turned_back_is_done else with_comparison(state, last)
    rollout = last["rollout"]
    outcome = rollout["outcome"]
    if state.json:
        echo_json(last)
    elif outcome == "succeeded":
        _say_success(state, rollout, kind)
    elif turned_back_is_done and outcome in TURNED_BACK:
        state.say(f"\n{rollout['environment']} serves {rollout['previous'] or 'nothing'}; the rollout was turned back")
    else:
        echo(err=True)
        tell_error(_failure(last))
    if turned_back_is_done and outcome in TURNED_BACK:
        return 0
    return _exit_status(outcome)


def _exit_status(outcome: str) -> int:
    from lading.model.rollout import EXIT_OF_OUTCOME

    return EXIT_OF_OUTCOME[outcome]


def _say_success(state: State, rollout: dict[str, Any], kind: str) -> None:
    head = f"{rollout['environment']} serves {rollout['release']}"
    parts = [head]
    if rollout["requests"]:
        parts.append(f"{rollout['lost_requests']:,} of {count(rollout['requests'], 'probe request')} lost")
    if rollout["previous"] and rollout["previous"] != rollout["release"]:
        # The release that a rollback left is no way back: one goes forward to it again, by name.
        back = f"back in one step: lading rollback {rollout['environment']}"
        forward = f"forward again: lading deploy {rollout['environment']} {rollout['previous']}"
        parts.append(forward if kind == "rollback" else back)
    state.say()
    state.say(sentence(parts).removeprefix(head), head=head)


def _failure(last: dict[str, Any]) -> LadingError:
    """Return what turned the rollout around, what serves now, and the next step."""
    rollout = last["rollout"]
    status = _exit_status(rollout["outcome"])
    error = LadingError.from_plain(last.get("error") or {"happened": f"the rollout of {rollout['release']} ended"})
    hint = error.hint or f"lading history {rollout['environment']}"
    return LadingError(
        error.code,
        doing=error.doing,
        happened=error.happened,
        now=error.now or _what_serves(rollout),
        hint=f"{hint}   (exit status {status})",
        details=error.details,
    )


def _what_serves(rollout: dict[str, Any]) -> str:
    lost = f" · {count(rollout['lost_requests'], 'request')} lost" if rollout["requests"] else ""
    serves = f"{rollout['environment']} serves {rollout['previous'] or 'nothing'}"
    return f"{rollout['outcome'].replace('_', ' ')}: {serves}{lost}"


def newest(agent: Agent, project: str, environment: str) -> dict[str, Any] | None:
    """Return the environment's newest rollout, None when it has had none; ``outcome`` is null while it runs."""
    answer = agent.get("/v1/rollouts", project=project, environment=environment, limit=1)
    return next(iter(answer["rollouts"]), None)
