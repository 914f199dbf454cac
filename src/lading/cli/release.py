"""``lading release``: build once."""

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state


@click.command(cls=LadingCommand)
@click.argument("version", required=False)
@pass_state
def release(state: State, version: str | None) -> None:
    """Build a release from the clean HEAD.

    VERSION is the semantic version tagged at HEAD unless given, else g and the commit's short id. The release is built
    from the commit, never from the work tree, and a version is never re-pointed. The result is the one artifact that
    every environment runs.
    """
    from lading.cli.building import build, describe, payload
    from lading.cli.rollouts import given_up

    try:
        built = build(state, state.own_agent(), version)
    except KeyboardInterrupt:
        raise given_up(state, "the agent drops the build") from None
    state.say(describe(built))
    state.result(payload(built))
