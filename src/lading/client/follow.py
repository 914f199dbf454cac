"""Follows a rollout to its end, over agents that die and come back."""

import time
from collections.abc import Iterator
from typing import Any

from lading.client.agent import Agent, AgentError, StreamLost
from lading.model.errors import LadingError

LOST_AGENT_LIMIT = 60.0  # seconds without an agent before following is given up
LOST_AGENT_PAUSE = 0.2  # seconds between tries to reach it again


def follow(agent: Agent, number: int) -> Iterator[dict[str, Any]]:
    """Yield the rollout's events as ``{"event": …}`` and, last, ``{"rollout": …}`` with its outcome.

    When the agent goes away the stream is taken up where it broke off; this user's own agent is started again. Raise
    ``agent-unreachable`` when it stays away: the rollout itself ends, new or old, once the agent runs again.
    """
    after = 0
    reached = time.monotonic()
    while True:
        try:
            for line in agent.stream("GET", f"/v1/rollouts/{number}/events", after=after, follow=1):
                reached = time.monotonic()
                event = line.get("event")
                after = event["seq"] if event else after
                yield line
                if "rollout" in line:
                    return
        except StreamLost:
            pass  # the next try below says whether the agent is back
        except AgentError:
            raise
        except LadingError as error:
            if error.code != "agent-unreachable" or time.monotonic() - reached > LOST_AGENT_LIMIT:
                raise
        time.sleep(LOST_AGENT_PAUSE)
