"""Asks for a rollout and follows it to its end, over agents that die and come back."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from lading.client.agent import Agent, AgentError, BrokenOff, StreamLost
from lading.model.errors import LadingError

LOST_AGENT_LIMIT = 60.0  # seconds without an agent before following is given up
BACK_WITHIN = 10.0  # seconds for an agent that went away over a request to be back and say what it had accepted
LOST_AGENT_PAUSE = 0.2  # seconds between tries to reach it again
CLOCKS_APART = 5.0  # seconds by which the clocks of client and agent may differ


def ask(agent: Agent, request: dict[str, Any]) -> dict[str, Any]:
    """Ask for a rollout and return the agent's answer: ``number`` (None: nothing to do), ``kind``, ``rollout``.

    When the agent goes away over it, ask what it had accepted. Raise ``agent-unreachable`` when that cannot be asked,
    or when it knows of no such rollout: then nothing was opened.
    """
    began = time.time()
    try:
        answer: dict[str, Any] = agent.post("/v1/rollouts", request)
    except BrokenOff as error:
        return _accepted(agent, request, began, error)
    return answer


def _accepted(agent: Agent, request: dict[str, Any], began: float, error: BrokenOff) -> dict[str, Any]:
    for rollout in _newest(agent, request, error):
        asked = (request["kind"], request["requested_by"], request.get("version") or rollout["release"])
        known = (rollout["kind"], rollout["requested_by"], rollout["release"])
        if asked == known and rollout["created"] >= began - CLOCKS_APART:
            return {"number": rollout["id"], "kind": rollout["kind"], "rollout": rollout}
    raise LadingError(
        error.code,
        doing=error.doing,
        happened=error.happened,
        now="it answers again and has opened no such rollout; what it serves was not touched",
        hint="the same command again",
    ) from error


def _newest(agent: Agent, request: dict[str, Any], error: BrokenOff) -> list[dict[str, Any]]:
    deadline = time.monotonic() + BACK_WITHIN
    where = {"project": request["project"], "environment": request["environment"]}
    while time.monotonic() < deadline:
        try:
            found: list[dict[str, Any]] = agent.get("/v1/rollouts", **where, limit=1)["rollouts"]
        except LadingError as again:
            if again.code != "agent-unreachable":
                raise error from again
        else:
            return found
        time.sleep(LOST_AGENT_PAUSE)
    raise error


def follow(agent: Agent, number: int) -> Iterator[dict[str, Any]]:
    """Yield the rollout's events as ``{"event": …}`` and, last, ``{"rollout": …}`` with its outcome.

    When the agent goes away the stream is taken up where it broke off; this user's own agent is started again. Raise
    ``agent-unreachable`` when it stays away: the rollout itself ends, new or old, once the agent runs again.
    """

    def after(line: dict[str, Any]) -> int | None:
        event = line.get("event")
        return event["seq"] if event else None

    yield from _followed(agent, f"/v1/rollouts/{number}/events", "after", after, "rollout")


def follow_run(agent: Agent, number: int) -> Iterator[dict[str, Any]]:
    """Yield what a run writes as ``{"lines": […]}`` and, last, a line with the ended ``run``.

    Over agents that go away it is followed as a rollout is; the run itself goes on without one.
    """
    yield from _followed(agent, f"/v1/runs/{number}/output", "cursor", lambda line: line["cursor"], "run")


def _followed(
    agent: Agent, path: str, place: str, next_place: Callable[[dict[str, Any]], Any], last: str
) -> Iterator[dict[str, Any]]:
    """Yield a stream's lines until one that has ``last``, taking it up again where it broke off."""
    at: Any = None
    reached = time.monotonic()
    while True:
        try:
            for line in agent.stream("GET", path, **{place: at}, follow=1):
                reached = time.monotonic()
                following = next_place(line)
                at = following if following is not None else at
                yield line
                if line.get(last) is not None:
                    return
        except StreamLost:
            pass  # the next try below says whether the agent is back
        except AgentError:
            raise
        except LadingError as error:
            if error.code != "agent-unreachable" or time.monotonic() - reached > LOST_AGENT_LIMIT:
                raise
        time.sleep(LOST_AGENT_PAUSE)
