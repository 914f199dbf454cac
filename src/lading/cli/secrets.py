"""``lading secrets``: give an environment its secrets; values go in and never come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lading.cli.base import LadingGroup
from lading.cli.secrets_store import path_of, store, typed, warn_of_placeholders
from lading.cli.state import State, pass_state

GENERATED = 48  # characters of a value that is made, unless said otherwise: 285 bits


@click.group(cls=LadingGroup)
def secrets() -> None:
    """Give an environment its secrets."""


def _making(command: Any) -> Any:
    length = click.option(
        "--length", type=int, default=GENERATED, show_default=True, help="Characters of a generated value."
    )
    generate = click.option(
        "--generate", is_flag=True, help="Let the agent make a strong random value that nobody sees."
    )
    return generate(length(command))


@secrets.command("set")
@click.argument("environment")
@click.argument("name")
@_making
@pass_state
def set_secret(state: State, environment: str, name: str, generate: bool, length: int) -> None:
    """Store secret NAME of ENVIRONMENT, read from standard input or typed at a prompt, never from an argument.

    A new value is a new version; the next rollout uses it, and a rollback returns to the version that ran.
    """
    if generate:
        store(state, environment, {"generate": {name: length}})
        return
    value = typed(environment, name)
    warn_of_placeholders(state, environment, {name: value})
    store(state, environment, {"values": {name: value}})


@secrets.command("import")
@click.argument("environment")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@pass_state
def import_secrets(state: State, environment: str, file: str) -> None:
    """Store every NAME=VALUE line of FILE (as in a .env file) as a secret of ENVIRONMENT.

    A name without a value is left out: what is stored of it stays.
    """
    from lading.secrets.dotenv import parse

    found = {name: value.reveal() for name, value in parse(Path(file).read_text(), file).items()}
    values = {name: value for name, value in found.items() if value}
    empty = sorted(set(found) - set(values))
    if empty:
        state.note(f"left out, without a value: {', '.join(empty)}")
    warn_of_placeholders(state, environment, values)
    store(state, environment, {"values": values})


@secrets.command("list")
@click.argument("environment")
@pass_state
def list_secrets(state: State, environment: str) -> None:
    """List ENVIRONMENT's secrets, never a value: versions, when set and by whom, and what the release needs."""
    from lading.cli.words import table

    found = state.agent_for(environment).get(path_of(state, environment))
    for line in table([_row(entry) for entry in found["entries"]]):
        state.say(line)
    if not found["entries"]:
        state.say(f"{environment} has no secret yet; next: lading secrets set {environment} NAME")
    missing = [entry["name"] for entry in found["entries"] if not entry["version"] and entry["need"] == "required"]
    if missing:
        state.say(f"\nmissing: {', '.join(missing)}; next: lading secrets edit {environment}")
    state.result(found)


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    from lading.cli.words import age

    version, serving = entry["version"], entry["serving"]
    act = f"fetched from a {entry['source']}" if entry.get("source") else "set"
    since = f"{act} {age(entry['set'])} by {entry['set_by']}" if entry["set"] else ""
    need = "named by no service" if entry["need"] == "unknown" else entry["need"]
    behind = "" if serving in (None, version) else f"version {serving} serves"
    notes = "; ".join(note for note in (behind, entry["problem"]) if note)
    return entry["name"], f"version {version}" if version else "missing", since, need, notes


@secrets.command("edit")
@click.argument("environment")
@click.option("--yes", "-y", is_flag=True, help="Store the changes without asking.")
@pass_state
def edit(state: State, environment: str, yes: bool) -> None:
    """Change the secrets of ENVIRONMENT in your editor ($VISUAL, else $EDITOR).

    Stored values are shown as dots, as they never come out of the agent: what is left as dots stays, a line that is
    taken out removes its secret. The file lies in memory where the system has a place for that, is yours alone, and
    is overwritten and removed at the end. Nothing is stored before you have seen what would change and agreed.
    """
    from lading.cli.secrets_edit import edit_secrets

    edit_secrets(state, environment, sure=yes)


@secrets.command("remove")
@click.argument("environment")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@pass_state
def remove(state: State, environment: str, names: tuple[str, ...]) -> None:
    """Remove secrets of ENVIRONMENT: the next rollout goes without them.

    What serves keeps what it was started with, and a rollback still returns to the version that ran.
    """
    agent = state.agent_for(environment)
    agent.put(path_of(state, environment), {"remove": list(dict.fromkeys(names))})
    found = agent.get(path_of(state, environment))
    state.say(f"removed from {environment}: {', '.join(dict.fromkeys(names))}")
    needed = [entry["name"] for entry in found["entries"] if entry["name"] in names and entry["need"] == "required"]
    if needed:
        state.say(f"what serves requires {', '.join(needed)}: a deploy is refused until it is set again")
    state.result(found)


@secrets.command("rotate")
@click.argument("environment")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_making
@click.option("--no-deploy", is_flag=True, help="Only store the new value: the next rollout uses it.")
@pass_state
@click.pass_context
def rotate(
    ctx: click.Context,
    state: State,
    environment: str,
    names: tuple[str, ...],
    generate: bool,
    length: int,
    no_deploy: bool,
) -> None:
    """Give secrets of ENVIRONMENT a new value and roll it out with the very release that serves.

    The value is read from standard input or typed at a prompt, unless the agent is to make one (--generate). Then the
    release that serves is rolled out once more, same digest, with the new version: started beside the old, checked,
    switched without a lost request. If that fails, the old version still serves. Going back: lading rollback.
    """
    from lading.cli.secrets_rotate import rotate_secrets

    chosen = tuple(dict.fromkeys(names))
    made = dict.fromkeys(chosen, length) if generate else {}
    ctx.exit(rotate_secrets(state, environment, chosen, made, deploy=not no_deploy))


@secrets.command("refresh")
@click.argument("environment")
@pass_state
@click.pass_context
def refresh(ctx: click.Context, state: State, environment: str) -> None:
    """Fetch the secrets of ENVIRONMENT that others keep, and roll out what changed with the very release that serves.

    The agent asks the commands, variables and files that [environments.NAME.secrets] names, as far as its settings
    allow them. If a value changed, the release that serves is rolled out once more, same digest, with the new version;
    if none did, nothing happens. If one cannot be fetched, nothing happens either, and all that failed are named.
    """
    from lading.cli.secrets_rotate import refresh_secrets

    ctx.exit(refresh_secrets(state, environment))
