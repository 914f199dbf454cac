"""``lading maintenance``: show visitors a page instead of what an environment serves."""

from __future__ import annotations

from typing import Any

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, pass_state
from lading.client.agent import segment


@click.group(cls=LadingGroup)
def maintenance() -> None:
    """Show visitors of an environment a page instead of what it serves, and take the page away again.

    What serves goes on running. The page stays over rollouts, rollbacks, restarts and reboots until it is taken away;
    Lading's own checks pass it, so a release can be rolled out behind it.
    """


@maintenance.command("on")
@click.argument("environment")
@click.option("--message", default="", metavar="TEXT", help="What the page says; its own words unless given.")
@click.option("--retry", metavar="DURATION", default="2m", show_default=True, help="When clients may ask again.")
@pass_state
def on(state: State, environment: str, message: str, retry: str) -> None:
    """Answer every visitor of ENVIRONMENT with 503 and a page, or JSON where no page is asked for.

    Requests under way end as they would have; new ones get the page from the moment the command returns.
    """
    from lading.cli.words import duration

    try:
        seconds = round(duration(retry))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--retry") from error
    told = _switch(state, environment, {"on": True, "message": message, "retry_after": seconds})
    how = "is under maintenance" if told["changed"] else "is under maintenance already"
    where = f": {told['url']} answers 503" if told["url"] else "; nothing is routed there yet"
    state.say(f"{environment} {how}{where}")
    state.say(f"next: lading maintenance off {environment}")


@maintenance.command("off")
@click.argument("environment")
@pass_state
def off(state: State, environment: str) -> None:
    """Let visitors of ENVIRONMENT reach what it serves again."""
    told = _switch(state, environment, {"on": False})
    how = "is open again" if told["changed"] else "is open; it was under no maintenance"
    state.say(f"{environment} {how}{': ' + told['url'] if told['url'] else ''}")


def _switch(state: State, environment: str, asked: dict[str, Any]) -> dict[str, Any]:
    path = f"/v1/environments/{segment(state.outline.name)}/{segment(environment)}/maintenance"
    told: dict[str, Any] = state.agent_for(environment).put(path, asked)
    state.result({"maintenance": told})
    return told
