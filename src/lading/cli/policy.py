"""``lading policy``: what an environment's agent demands of a release."""

from __future__ import annotations

from typing import Any

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, pass_state
from lading.client.agent import Agent, segment

LOOSENINGS: dict[str, dict[str, Any]] = {
    "no-isolation": {"accept_no_isolation": True},
    "any-version": {"semantic_version": False},
    "no-smoke": {"smoke_required": False},
    "untested": {"passed": []},
    "no-gates": {"gates": []},
    "no-approval": {"approvals": 0},
}

reason_option = click.option("--reason", required=True, help="Why, for the audit.")


@click.group(cls=LadingGroup)
def policy() -> None:
    """Show and change what an environment's agent demands of a release.

    The policy lives in the receiving agent. A manifest may tighten it; loosening it is a separate act, kept with its
    reason in the agent's audit.
    """


@policy.command("show")
@click.argument("environment")
@pass_state
def show(state: State, environment: str) -> None:
    """Show what the agent of ENVIRONMENT demands there."""
    answer = _agent(state, environment).get(_path(state, environment))
    _tell(state, environment, answer["policy"])
    state.result(answer)


@policy.command("allow")
@click.argument("environment")
@click.argument("what", type=click.Choice(list(LOOSENINGS)))
@reason_option
@pass_state
def allow(state: State, environment: str, what: str, reason: str) -> None:
    """Stop demanding one thing in ENVIRONMENT."""
    _change(state, environment, LOOSENINGS[what], reason)


@policy.command("set")
@click.argument("environment")
@click.option("--passed", multiple=True, metavar="ENV", help="An environment that must have passed; * for any one.")
@click.option("--gate", "gates", multiple=True, metavar="GATE", help="A gate that must have passed.")
@click.option("--approvals", type=click.IntRange(0), help="How many people must have approved.")
@click.option("--semantic-version/--any-version", default=None, help="Whether only semantic versions are taken.")
@click.option("--smoke/--no-smoke", "smoke_required", default=None, help="Whether a smoke suite is required.")
@click.option("--max-age", metavar="DURATION", help="How old a statement may be: 12h, 7d.")
@click.option(
    "--accept-no-isolation/--require-isolation", default=None, help="Whether the process runtime is accepted."
)
@reason_option
@pass_state
def set_policy(state: State, /, environment: str, reason: str, max_age: str | None, **demands: Any) -> None:
    """Change what the agent of ENVIRONMENT demands; what is not named stays."""
    from lading.cli.words import duration

    changes = {key: list(value) if isinstance(value, tuple) else value for key, value in demands.items()}
    changes = {key: value for key, value in changes.items() if value not in (None, [])}
    if max_age is not None:
        try:
            changes["max_age"] = duration(max_age)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--max-age") from error
    if not changes:
        raise click.UsageError("nothing to change was named")
    _change(state, environment, changes, reason)


def _change(state: State, environment: str, changes: dict[str, Any], reason: str) -> None:
    agent = _agent(state, environment)
    body = {"changes": changes, "reason": reason}
    answer = agent.put(_path(state, environment), body)
    _tell(state, environment, answer["policy"])
    state.result(answer)


def _agent(state: State, environment: str) -> Agent:
    return state.agent_for(environment)


def _path(state: State, environment: str) -> str:
    return f"/v1/policies/{segment(state.outline.name)}/{segment(environment)}"


def _tell(state: State, environment: str, demands: dict[str, Any]) -> None:
    from lading.cli.words import seconds

    passed = ", ".join("any other environment" if name == "*" else name for name in demands["passed"])
    state.say(f"{environment} demands:")
    state.say(f"  passed in         {passed or 'nowhere'}")
    state.say(f"  gates             {', '.join(demands['gates']) or 'none'}")
    state.say(f"  approvals         {demands['approvals']}")
    state.say(f"  version           {'a semantic version' if demands['semantic_version'] else 'any'}")
    state.say(f"  smoke suite       {'required' if demands['smoke_required'] else 'not required'}")
    state.say(f"  statements        not older than {seconds(demands['max_age'])}")
    state.say(f"  isolation         {'none is accepted' if demands['accept_no_isolation'] else 'required'}")
