"""``lading plan``: what a deploy would do, step by step, without doing it."""

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.agent import requester


@click.command(cls=LadingCommand)
@click.argument("environment")
@click.argument("version", required=False)
@pass_state
def plan(state: State, environment: str, version: str | None) -> None:
    """Show what deploying to ENVIRONMENT would do, without doing it.

    The steps shown are the very values that a deploy carries out. As in deploy, a release of the clean HEAD is built
    (and carried to the environment's host) when it does not exist yet: that touches nothing that serves. What would
    be refused now is said below the steps.
    """
    from lading.cli.building import bill_for, carry, provide
    from lading.cli.project import environment_table, example_values

    outline = state.outline
    target = state.agent_for(environment)
    table = environment_table(outline.path, environment)
    built = provide(state, version)
    carry(state, built, target)
    answer = target.post(
        "/v1/plans",
        {
            "kind": "deploy",
            "project": outline.name,
            "environment": environment,
            "version": built.release["version"],
            "table": table,
            "examples": example_values(outline.directory),
            "requested_by": requester(),
            "bill": bill_for(built, target),
            "dry_run": True,
        },
    )
    shown = answer["plan"]
    if not shown["steps"]:
        state.say(f"{environment} already serves {shown['release']} as configured; nothing to do")
    else:
        state.say(f"{outline.name} {environment}: {shown['previous'] or 'nothing'} → {shown['release']}\n")
    for line in (*answer["lines"], *shown.get("reasons", ())):
        state.say(f"  {line}")
    refused = answer.get("refused")
    if refused is not None:
        from lading.cli.main import error_text
        from lading.model.errors import LadingError

        told = error_text(LadingError.from_plain(refused)).removeprefix("refused: ")
        state.say(f"\nthis would be refused: {told}")
    state.result({"plan": shown, "refused": refused})
