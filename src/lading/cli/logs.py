"""``lading logs``: what the instances of an environment wrote."""

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("service", required=False)
@click.option("--rollout", type=int, metavar="N", help="The instances of rollout N, removed ones too.")
@click.option("--lines", default=100, show_default=True, help="How many lines of each instance.")
@pass_state
def logs(state: State, environment: str, service: str | None, rollout: int | None, lines: int) -> None:
    """Show the last lines that the instances of ENVIRONMENT (of SERVICE only, if given) wrote.

    Known secret values are masked.
    """
    from lading.client.agent import segment

    agent = state.agent_for(environment)
    path = f"/v1/logs/{segment(state.outline.name)}/{segment(environment)}"
    found = agent.get(path, service=service, rollout=rollout, lines=lines)["logs"]
    for entry in found:
        for line in entry["lines"] or ["(nothing written)"]:
            state.say(f"{entry['instance']} | {line}")
    if not found:
        state.say(f"{environment} has no such instance; lading status shows those it has")
    state.result({"logs": found})
