"""``lading promote``: take a release that one environment serves to the next, with its bill."""

from __future__ import annotations

from typing import Any, NamedTuple

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.client.agent import Agent, requester
from lading.model.errors import LadingError


class Cargo(NamedTuple):
    """A release, where its bytes are, and the papers that travel with it."""

    release: dict[str, Any]
    holder: Agent | None
    bill: dict[str, Any]
    verdict: dict[str, Any] | None


@click.command(cls=LadingCommand)
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("version", required=False)
@pass_state
@click.pass_context
def promote(ctx: click.Context, state: State, source: str, target: str, version: str | None) -> None:
    """Take a release from environment FROM to environment TO, with its bill.

    VERSION is what FROM serves unless given. The agent of TO judges the bill by its own policy, over a challenge that
    the agent of FROM signs. When FROM cannot be reached, the statements that are known already are judged, and the
    output says so.
    """
    from lading.cli.rollouts import carry_out, refusals

    with refusals(state, target, version):
        agent = state.agent_for(target)
        ctx.exit(carry_out(state, agent, _request(state, agent, source, target, version)))


def _request(state: State, agent: Agent, source: str, target: str, version: str | None) -> dict[str, Any]:
    from lading.cli.building import Built, carry
    from lading.cli.project import environment_table, example_values

    table = environment_table(state.outline.path, target)
    nonce = agent.post("/v1/nonces")["nonce"]
    cargo = _cargo(state, agent, source, version, nonce)
    state.say(f"{_headline(cargo, source, target)}\n")
    if cargo.holder is not None:
        carry(state, Built(cargo.release, cargo.holder), agent)
    papers = [*cargo.bill["introductions"], *(entry["envelope"] for entry in cargo.bill["statements"])]
    return {
        "kind": "promote",
        "project": state.outline.name,
        "environment": target,
        "version": cargo.release["version"],
        "table": table,
        "examples": example_values(state.outline.directory),
        "requested_by": requester(),
        "bill": papers if cargo.verdict is None else [*papers, cargo.verdict],
        "nonce": nonce if cargo.verdict is not None else "",
    }


def _cargo(state: State, target: Agent, source: str, version: str | None, nonce: str) -> Cargo:
    holder = state.agent_for(source)
    try:
        return _fetched(state, holder, source, version, nonce)
    except LadingError as error:
        if error.code != "agent-unreachable":
            raise
        return _without_source(state, target, source, version, error)


def _fetched(state: State, holder: Agent, source: str, version: str | None, nonce: str) -> Cargo:
    from lading.client.transfer import release_path

    project = state.outline.name
    version = version or _served(holder, project, source)
    release = holder.get(release_path(project, version))
    question = {"project": project, "version": version, "environment": source, "nonce": nonce}
    verdict = holder.post("/v1/verdicts", question)["envelope"]
    return Cargo(release, holder, _bill(holder, release), verdict)


def _without_source(state: State, target: Agent, source: str, version: str | None, error: LadingError) -> Cargo:
    from lading.client.transfer import find_release

    if version is None:
        raise error
    for holder in (target, state.own_agent()):
        release = find_release(holder, state.outline.name, version)
        if release is not None:
            state.note(f"! {source} cannot be reached ({error.happened}); judging the statements known without it")
            return Cargo(release, holder, _bill(holder, release), None)
    raise error


def _served(agent: Agent, project: str, environment: str) -> str:
    for entry in agent.get("/v1/environments", project=project)["environments"]:
        if entry["name"] == environment and entry["release"]:
            return str(entry["release"])
    raise LadingError(
        "unknown-release",
        doing=f"promoting what {environment} serves",
        happened=f"{environment} serves nothing yet",
        now="nothing was changed",
        hint=f"lading deploy {environment}",
    )


def _bill(agent: Agent, release: dict[str, Any]) -> dict[str, Any]:
    bill: dict[str, Any] = agent.get(f"/v1/bills/{release['digest']}")
    return bill


def _headline(cargo: Cargo, source: str, target: str) -> str:
    from lading.cli.words import age, count, short

    release = cargo.release
    head = f"{release['project']} {release['version']}  {short(release['digest'])}  {source} → {target}"
    told = [entry["statement"] for entry in cargo.bill["statements"] if entry["statement"]]
    if not told:
        return f"{head}   bill: empty"
    newest = max(told, key=lambda statement: float(statement["time"]))
    return f"{head}   bill: {count(len(told), 'gate')}, signed by {newest['signer']} {age(newest['time'])}"
