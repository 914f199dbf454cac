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
    from lading.cli.dotenv import bring
    from lading.cli.project import environment_table, example_values, read
    from lading.cli.words import short

    outline = state.outline
    target = state.agent_for(environment)
    manifest = read(outline.path)
    table = environment_table(outline.path, environment, manifest)
    bring(state, manifest, environment, target, for_tree=version is None)
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
        "examples": example_values(outline.directory),
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
    from lading.cli.rollouts import conclude, newest, tell

    agent, number = _named(state, what)
    if number is None:
        last = newest(agent, state.outline.name, what)
        if last is None or last["outcome"] is not None:
            raise _none_to_cancel(what, last)
        number = last["id"]
    agent.post(f"/v1/rollouts/{number}/cancel", {"requested_by": requester()})
    environment = "" if what.isdecimal() else what
    ctx.exit(conclude(state, tell(state, agent, number, environment), turned_back_is_done=True))


def _named(state: State, what: str) -> tuple[Agent, int | None]:
    return (state.own_agent(), int(what)) if what.isdecimal() else (state.agent_for(what), None)


def _none_to_cancel(environment: str, newest: dict[str, Any] | None) -> LadingError:
    last = f"; the last one, {newest['id']}, has ended: {newest['outcome'].replace('_', ' ')}" if newest else ""
    return LadingError(
        "unknown-rollout",
        doing=f"cancelling the rollout of {environment}",
        happened=f"none is under way there{last}",
        now="nothing was changed",
        hint=f"lading history {environment}; to go back: lading rollback {environment}",
    )


@click.command(cls=LadingCommand)
@click.argument("what", metavar="ENVIRONMENT|ROLLOUT")
@pass_state
@click.pass_context
def follow(ctx: click.Context, state: State, what: str) -> None:
    """Follow a rollout to its end, named by its number or by its environment: from its beginning, live from now on.

    When none is under way in the environment, the story of its last one is told. Ctrl-C only stops watching. The exit
    status is that of the rollout, as deploy would have ended with it.
    """
    from lading.cli.rollouts import conclude, newest, tell

    agent, number = _named(state, what)
    kind = "deploy"
    if number is None:
        last = newest(agent, state.outline.name, what)
        if last is None:
            raise LadingError(
                "unknown-rollout",
                doing=f"following the rollout of {what}",
                happened=f"{what} has had no rollout yet",
                hint=f"lading deploy {what}",
            )
        number, kind = last["id"], last["kind"]
        state.say(_headline(last))
    environment = "" if what.isdecimal() else what
    ctx.exit(conclude(state, tell(state, agent, number, environment), kind=kind))


def _headline(rollout: dict[str, Any]) -> str:
    from lading.cli.words import age

    began = f"{rollout['kind']} {rollout['release']}, began {age(rollout['created'])}, by {rollout['requested_by']}"
    ended = "" if rollout["outcome"] is None else "none is under way; this is the last: "
    return f"{ended}rollout {rollout['id']} of {rollout['environment']}: {began}\n"
