"""``lading deploy``, ``rollback`` and ``cancel``: bring an environment to a release, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.agent import requester
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.client.agent import Agent


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("version", required=False)
@click.option("--again", is_flag=True, help="Roll it out even if it serves already, so that it passes anew.")
@pass_state
@click.pass_context
def deploy(ctx: click.Context, state: State, environment: str, version: str | None, again: bool) -> None:
    """Bring ENVIRONMENT to a release.

    VERSION is a release that exists; without it the release of the clean HEAD, which is built when it does not exist
    yet. Deploying what already serves does nothing. Once the agent has accepted the rollout it ends in the new or
    the old release, whatever happens to this terminal: Ctrl-C only stops watching.
    """
    from lading.cli.rollouts import carry_out, refusals

    with refusals(state, environment, version):
        target, agent, request = _prepared(state, environment, version)
        ctx.exit(carry_out(target, agent, {**request, "again": again}))


def _prepared(state: State, environment: str, version: str | None) -> tuple[State, Agent, dict[str, Any]]:
    from lading.cli.building import bill_for, carry, provide
    from lading.cli.project import environment_table
    from lading.cli.words import short

    outline = state.outline
    target = state.agent_for(environment)
    table = environment_table(outline.path, environment)
    built = provide(state, version)
    release = built.release
    state.say(f"{outline.name} {release['version']}  {short(release['digest'])}  → {environment}\n")
    carry(state, built, target)
    request = {
        "kind": "deploy",
        "project": outline.name,
        "environment": environment,
        "version": release["version"],
        "table": table,
        "requested_by": requester(),
        "bill": bill_for(built, target),
    }
    return state, target, request


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.option("--to", metavar="VERSION", help="An earlier release to return to; the previous one unless given.")
@pass_state
@click.pass_context
def rollback(ctx: click.Context, state: State, environment: str, to: str | None) -> None:
    """Return ENVIRONMENT to an earlier release, as it ran then.

    The earlier release comes back whole: digest, configuration, secret versions and health contract. Nothing is
    rebuilt. While a rollout is under way, it is turned back.
    """
    from lading.cli.rollouts import carry_out, refusals

    with refusals(state, environment, to):
        request = {
            "kind": "rollback",
            "project": state.outline.name,
            "environment": environment,
            "to": to,
            "requested_by": requester(),
        }
        ctx.exit(carry_out(state, state.agent_for(environment), request))


@click.command(cls=LadingCommand)
@click.argument("what", metavar="ENVIRONMENT|ROLLOUT")
@pass_state
@click.pass_context
def cancel(ctx: click.Context, state: State, what: str) -> None:
    """Turn a running rollout back, named by its number or by its environment."""
    from lading.cli.rollouts import conclude, tell

    agent, number = _to_cancel(state, what)
    agent.post(f"/v1/rollouts/{number}/cancel", {"requested_by": requester()})
    ctx.exit(conclude(state, tell(state, agent, number), turned_back_is_done=True))


def _to_cancel(state: State, what: str) -> tuple[Agent, int]:
    from lading.cli.rollouts import running

    if what.isdecimal():
        return state.own_agent(), int(what)
    agent = state.agent_for(what)
    number = running(agent, state.outline.name, what)
    if number is None:
        raise LadingError(
            "unknown-rollout",
            doing=f"cancelling the rollout of {what}",
            happened="none is under way there",
            now="nothing was changed",
            hint=f"lading history {what}; to go back: lading rollback {what}",
        )
    return agent, number
