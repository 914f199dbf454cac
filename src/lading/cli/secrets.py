"""``lading secrets``: give an environment its secrets; values go in and never come out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, pass_state
from lading.client.agent import segment
from lading.model.errors import LadingError


@click.group(cls=LadingGroup)
def secrets() -> None:
    """Give an environment its secrets."""


@secrets.command("set")
@click.argument("environment")
@click.argument("name")
@pass_state
def set_secret(state: State, environment: str, name: str) -> None:
    """Store secret NAME of ENVIRONMENT, read from standard input or typed at a prompt, never from an argument.

    A new value is a new version; the next rollout uses it, and a rollback returns to the version that ran.
    """
    if sys.stdin.isatty():
        value = click.prompt(f"{name} of {environment}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        value = sys.stdin.read().removesuffix("\n")
    if not value:
        raise LadingError(
            "usage",
            doing=f"setting {name} of {environment}",
            happened="the value is empty",
            now="nothing was stored",
            hint=f'printf %s "$VALUE" | lading secrets set {environment} {name}',
        )
    _store(state, environment, {name: value})


@secrets.command("import")
@click.argument("environment")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@pass_state
def import_secrets(state: State, environment: str, file: str) -> None:
    """Store every NAME=VALUE line of FILE (as in a .env file) as a secret of ENVIRONMENT."""
    from lading.secrets.dotenv import parse

    found = parse(Path(file).read_text(), file)
    _store(state, environment, {name: value.reveal() for name, value in found.items() if value.reveal()})


@secrets.command("list")
@click.argument("environment")
@pass_state
def list_secrets(state: State, environment: str) -> None:
    """List the names and versions of ENVIRONMENT's secrets, never a value."""
    versions = state.agent_for(environment).get(_path(state, environment))["secrets"]
    for name, version in sorted(versions.items()):
        state.say(f"{name:<28} version {version}")
    if not versions:
        state.say(f"{environment} has no secret yet; next: lading secrets set {environment} NAME")
    state.result({"secrets": versions})


def _store(state: State, environment: str, values: dict[str, str]) -> None:
    versions = state.agent_for(environment).put(_path(state, environment), {"values": values})["secrets"]
    for name, version in sorted(versions.items()):
        state.say(f"{name:<28} version {version}")
    state.result({"secrets": versions})


def _path(state: State, environment: str) -> str:
    return f"/v1/secrets/{segment(state.outline.name)}/{segment(environment)}"
