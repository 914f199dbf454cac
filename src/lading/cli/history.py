"""``lading history``: the rollouts of an environment."""

from typing import Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.option("--limit", default=20, show_default=True, help="How many rollouts to show.")
@pass_state
def history(state: State, environment: str, limit: int) -> None:
    """Show the rollouts of ENVIRONMENT, newest first: who asked for what, and what came of it."""
    from lading.cli.words import table

    agent = state.agent_for(environment)
    found = agent.get("/v1/rollouts", project=state.outline.name, environment=environment, limit=limit)["rollouts"]
    for line in table([_row(rollout) for rollout in found]):
        state.say(line)
    if not found:
        state.say(f"{environment} has had no rollout yet; next: lading deploy {environment}")
    state.result({"rollouts": found})


def _row(rollout: dict[str, Any]) -> tuple[str, ...]:
    from lading.cli.words import age, seconds

    lost = f"{rollout['lost_requests']:,} of {rollout['requests']:,} lost" if rollout["requests"] else ""
    return (
        str(rollout["id"]),
        age(rollout["created"]),
        rollout["kind"],
        f"{rollout['previous'] or 'nothing'} → {rollout['release']}",
        rollout["outcome"] or "under way",
        seconds(rollout["seconds"]),
        lost,
        rollout["requested_by"],
    )
