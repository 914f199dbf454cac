"""``lading trust``: whose statements an agent believes, and its own key."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, pass_state
from lading.client.local import agent_at

on_option = click.option("--on", metavar="ENVIRONMENT", help="Ask the agent of ENVIRONMENT instead of one's own.")


@click.group(cls=LadingGroup)
def trust() -> None:
    """Show and change whose statements an agent believes."""


@trust.command("show")
@on_option
@pass_state
def show(state: State, on: str | None) -> None:
    """Show the agent's own key: its name, fingerprint and public key, to be trusted elsewhere."""
    own = state.agent_on(on).get("/v1/trust")["own"]
    _tell(state, own)
    state.say(f"trust it elsewhere: lading trust add {own['name']} {own['public']}")
    state.result({"own": own})


@trust.command("list")
@on_option
@pass_state
def list_keys(state: State, on: str | None) -> None:
    """List the keys that the agent believes besides its own."""
    from lading.cli.words import table

    keys = state.agent_on(on).get("/v1/trust")["keys"]
    for line in table([(key["name"], key["role"], key["fingerprint"], _until(key)) for key in keys]):
        state.say(line)
    if not keys:
        state.say("no other key is believed; next: lading trust add NAME KEY")
    state.result({"keys": keys})


def _until(key: dict[str, Any]) -> str:
    if key.get("until") is None:
        return ""
    return "until " + time.strftime("%Y-%m-%d %H:%M", time.localtime(key["until"]))


@trust.command("add")
@click.argument("name")
@click.argument("key")
@click.option("--approver", is_flag=True, help="The key of a person, whose approvals count; an ssh-ed25519 public key.")
@click.option("--reason", default="", help="Why, for the audit.")
@on_option
@pass_state
def add(state: State, name: str, key: str, approver: bool, reason: str, on: str | None) -> None:
    """Believe KEY under NAME.

    KEY is a public key as lading trust show prints it, a file that holds one, or the address of an agent (unix:///path)
    whose key is fetched. Compare the fingerprint that is printed with the one its owner sees.
    """
    body = {"name": name, "public": _public(key), "role": "approver" if approver else "agent", "reason": reason}
    added = state.agent_on(on).post("/v1/trust", body)["key"]
    state.say("believed from now on; compare the fingerprint with the one its owner sees:")
    _tell(state, added)
    state.result({"key": added})


def _public(key: str) -> str:
    if "://" in key:
        return str(agent_at(key).get("/v1/trust")["own"]["public"])
    path = Path(key).expanduser()
    return path.read_text().strip() if path.is_file() else key


@trust.command("remove")
@click.argument("name_or_fingerprint")
@click.option("--reason", required=True, help="Why, for the audit.")
@on_option
@pass_state
def remove(state: State, name_or_fingerprint: str, reason: str, on: str | None) -> None:
    """Stop believing a key: none of its statements counts any more."""
    removed = state.agent_on(on).delete("/v1/trust", key=name_or_fingerprint, reason=reason)["removed"]
    for key in removed:
        state.say(f"no longer believed: {key['name']} {key['fingerprint']}")
    state.result({"removed": removed})


@trust.command("rotate")
@on_option
@pass_state
def rotate(state: State, on: str | None) -> None:
    """Give the agent a new key, signed by the old one; both count for an overlap."""
    _renew(state, on, "rotate")


@trust.command("recover")
@click.option("--reason", required=True, help="Why, for the audit.")
@on_option
@pass_state
def recover(state: State, reason: str, on: str | None) -> None:
    """Give the agent a new key when the old one is lost or stolen; others must be told by hand."""
    _renew(state, on, "recover", reason)


def _renew(state: State, on: str | None, how: str, reason: str = "") -> None:
    own = state.agent_on(on).post(f"/v1/trust/{how}", {"reason": reason})["own"]
    state.say("the agent signs with a new key:")
    _tell(state, own)
    state.say(f"tell the agents that believe it: lading trust add {own['name']} {own['public']}")
    state.result({"own": own})


def _tell(state: State, key: dict[str, Any]) -> None:
    state.say(f"  name         {key['name']}")
    state.say(f"  fingerprint  {key['fingerprint']}")
    state.say(f"  public key   {key['public']}")
