"""Brings secrets to an agent: what ``set``, ``import``, ``edit`` and ``rotate`` share."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from lading.cli.project import environment_tier, example_values
from lading.cli.state import State
from lading.client.agent import segment
from lading.model.errors import LadingError


def path_of(state: State, environment: str) -> str:
    """Return the path of an environment's secrets at its agent."""
    return f"/v1/secrets/{segment(state.outline.name)}/{segment(environment)}"


def store(state: State, environment: str, change: Mapping[str, Any]) -> None:
    """Store a change, tell the versions it made, and print them as the result."""
    versions = state.agent_for(environment).put(path_of(state, environment), change)["secrets"]
    for name, version in sorted(versions.items()):
        state.say(f"{name:<28} version {version}")
    state.result({"secrets": versions})


def typed(environment: str, name: str) -> str:
    """Return a value from the prompt or from standard input; raise ``usage`` for an empty one."""
    if sys.stdin.isatty():
        value: str = click.prompt(f"{name} of {environment}", hide_input=True, confirmation_prompt=True, err=True)
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
    return value


def warn_of_placeholders(state: State, environment: str, values: Mapping[str, str]) -> None:
    """Say which values read like placeholders: a deploy of a release that requires them will be refused."""
    from lading.model.placeholders import placeholder

    tier = environment_tier(state.outline.path, environment)
    examples = example_values(state.outline.directory)
    for name, value in sorted(values.items()):
        reason = placeholder(name, value, tier, examples.get(name, ""))
        if reason:
            state.note(f"warning: {name}: {reason}; a release that requires it will be refused")
