"""``lading stack``: compose files beside a project, with a life of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, echo_json, pass_state
from lading.client.agent import StreamLost, segment
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.model.environment_table import Environment
    from lading.model.manifest import Stack


@click.group(cls=LadingGroup)
def stack() -> None:
    """Run compose files beside the project: [stacks.NAME] of lading.toml.

    A stack has a life of its own: no rollout and no rollback touches it, and its volumes stay when it is taken down.
    """


@stack.command("up")
@click.argument("environment")
@click.argument("name")
@pass_state
def up(state: State, environment: str, name: str) -> None:
    """Bring stack NAME of ENVIRONMENT to what its compose file says in the commit at HEAD.

    What did not change goes on undisturbed. Images are pinned to what their tags name now; ports are not published
    unless the manifest says so. Nothing is changed when the file asks for what a stack may not have.
    """
    asked = _asked(state, environment, name)
    agent = state.agent_for(environment)
    try:
        lines = agent.stream("PUT", _path(state, environment, name), asked)
        left = _followed(state, f"{name} of {environment}", lines)
    except StreamLost as error:
        raise _away(environment, name, str(error)) from error
    if left is None:
        raise _away(environment, name, "its answer has no stack")
    _tell(state, environment, left)
    state.result({"stack": left})


def _asked(state: State, environment: str, name: str) -> Iterator[bytes]:
    """Return what the agent is sent: the stack as the manifest has it, and the files of its directory at HEAD."""
    from lading.cli.project import read
    from lading.cli.source import export, head, require_clean

    manifest = read(state.outline.path)
    wanted, table = _of_manifest(manifest.stacks, name), manifest.environments.get(environment)
    if table is None:
        raise _unknown(f"lading.toml has no environment {environment}", f"add [environments.{environment}]")
    file = PurePosixPath(wanted.compose)
    directory = state.outline.directory / file.parent
    if not (directory / file.name).is_file():
        raise _unknown(f"there is no {wanted.compose}", f"correct compose in [stacks.{name}]")
    commit = head(state.outline.directory)
    require_clean(directory, file.name)
    return _body(wanted, file.name, table, export(directory, commit.commit))


def _followed(state: State, what: str, lines: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
    """Show what is being done, and return the stack that is up in the end; None where the answer ends without one."""
    from lading.cli.progress import working

    with working(state, "stack", what) as work:
        for line in lines:
            if "stack" in line:
                left: dict[str, Any] = line["stack"]
                return left
            text = line.get("event", {}).get("text", "")
            if state.json:
                echo_json(line)
                continue
            work.wait(text)
            if "is not published" in text:
                work.say(f"    {text}")
    return None


def _away(environment: str, name: str, reason: str) -> LadingError:
    return LadingError(
        "agent-unreachable",
        doing=f"bringing up {name} of {environment}",
        happened=f"the agent went away before it was up ({reason})",
        now="what serves is untouched; of the stack some may run already",
        hint=f"lading stack up {environment} {name}   (it goes on from there)",
    )


@stack.command("down")
@click.argument("environment")
@click.argument("name")
@pass_state
def down(state: State, environment: str, name: str) -> None:
    """Stop and remove the containers of stack NAME of ENVIRONMENT; its volumes stay.

    What serves is not touched, whether it uses the stack or not.
    """
    left = state.agent_for(environment).delete(_path(state, environment, name))
    state.say(f"{name} of {environment} is down")
    if left["volumes"]:
        state.say(f"  its data stays: {', '.join(left['volumes'])}")
        state.say(f"  back:           lading stack up {environment} {name}")
    state.result({"stack": left})


@stack.command("status")
@click.argument("environment")
@pass_state
def status(state: State, environment: str) -> None:
    """Show the stacks of ENVIRONMENT that are up or have data there."""
    found = state.agent_for(environment).get(f"/v1/stacks/{segment(state.outline.name)}/{segment(environment)}")[
        "stacks"
    ]
    for one in found:
        _tell(state, environment, one)
    if not found:
        state.say(f"{environment} has no stack; next: lading stack up {environment} NAME")
    state.result({"stacks": found})


def _of_manifest(stacks: dict[str, Stack], name: str) -> Stack:
    if name not in stacks:
        known = ", ".join(stacks) or "none"
        raise _unknown(f"lading.toml has no stack {name}; it has: {known}", f"add [stacks.{name}]")
    return stacks[name]


def _unknown(happened: str, hint: str) -> LadingError:
    return LadingError("usage", doing="looking for the stack", happened=happened, now="nothing was changed", hint=hint)


def _path(state: State, environment: str, name: str) -> str:
    return f"/v1/stacks/{segment(state.outline.name)}/{segment(environment)}/{segment(name)}"


def _body(stack: Stack, file: str, table: Environment, source: Iterator[bytes]) -> Iterator[bytes]:
    import msgspec

    yield msgspec.json.encode({"stack": stack, "file": file, "table": table}) + b"\n"
    yield from source


def _tell(state: State, environment: str, one: dict[str, Any]) -> None:
    from lading.cli.words import age, short, table

    if not one["services"]:
        state.say(f"{one['name']} is down; its data stays: {', '.join(one['volumes'])}")
        return
    state.say(f"{one['name']} of {environment}")
    rows: list[tuple[str, ...]] = []
    for service in one["services"]:
        ended = f"ended with status {service['exit_status']}" if service["exit_status"] is not None else ""
        since = f"up since {age(service['started'])}" if service["state"] == "running" else ended or service["state"]
        more = ", ".join(part for part in (service["health"], *service["published"]) if part)
        rows.append((f"  {service['name']}", service["image"], short(service["image_id"]), since, more))
    for line in table(rows):
        state.say(line)
