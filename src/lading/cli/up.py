"""``lading up`` and ``down``: verified locally in one command, and stopped again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingCommand
from lading.cli.interrupts import heard, postponed
from lading.cli.locally import Local, local_environment
from lading.cli.main import INTERRUPTED
from lading.cli.state import State, pass_state
from lading.cli.words import count
from lading.client.agent import AgentError, requester, segment

if TYPE_CHECKING:
    from lading.client.agent import Agent


@click.command(cls=LadingCommand)
@click.argument("environment", required=False)
@click.option("--once", is_flag=True, help="Stop everything again at the end; the exit status says whether it passed.")
@pass_state
@click.pass_context
def up(ctx: click.Context, state: State, environment: str | None, once: bool) -> None:
    """Build the work tree, start it in ENVIRONMENT, wait until it is ready, and run the smoke suite.

    ENVIRONMENT is a local one: "local", or the only one there is. A clean work tree gives the release of its commit;
    one with changes a version that ends in -dirty and the content's digest, which no stage or production takes. What
    is up already as configured stays as it is.
    """
    from lading.cli.rollouts import refusals

    local = local_environment(state, environment, "up")
    agent = local.agent(state)
    with refusals(state, local.name, None):
        ctx.exit(_once(state, local, agent) if once else _up(state, local, agent))


def _up(state: State, local: Local, agent: Agent) -> int:
    from lading.cli.rollouts import accepted, conclude, tell

    answer = accepted(state, agent, _request(state, local, agent, again=False))
    if answer["number"] is None:
        url = _url(agent, local)
        state.say(f"{local.name} already serves {answer['rollout']['release']} as configured: {url}")
        state.result({"rollout": answer["rollout"], "url": url})
        return 0
    last = tell(state, agent, answer["number"], local.name)
    url = _url(agent, local)
    status = conclude(state, {**last, "url": url})
    if status == 0:
        state.say(" · ".join(filter(None, (f"  {url}", f"stop it: {_command('down', local)}"))))
    return status


def _request(state: State, local: Local, agent: Agent, *, again: bool) -> dict[str, Any]:
    """Build the work tree and return what to ask the environment's agent for."""
    import msgspec

    from lading.cli.building import bill_for, carry, provide_work_tree
    from lading.cli.dotenv import bring
    from lading.cli.project import example_values
    from lading.cli.words import short

    bring(state, local.manifest, local.name, agent)
    built = provide_work_tree(state, state.own_agent())
    version, digest = built.release["version"], built.release["digest"]
    state.say(f"{local.project} {version}  {short(digest)}  → {local.name}\n")
    carry(state, built, agent)
    return {
        "kind": "deploy",
        "project": local.project,
        "environment": local.name,
        "version": version,
        "table": msgspec.to_builtins(local.table),
        "examples": example_values(local.directory),
        "requested_by": requester(),
        "bill": bill_for(built, agent),
        "again": again,
    }


def _command(verb: str, local: Local) -> str:
    return f"lading {verb}" if local.name == "local" else f"lading {verb} {local.name}"


def _url(agent: Agent, local: Local) -> str:
    found = agent.get("/v1/environments", project=local.project)["environments"]
    return next((str(one["url"]) for one in found if one["name"] == local.name), "")


# once


def _once(state: State, local: Local, agent: Agent) -> int:
    from lading.cli.rollouts import watch
    from lading.client.follow import ask

    # SIGTERM is how CI systems cancel a job.
    with _agent_as_found(agent), heard(signal.SIGTERM):
        request = _request(state, local, agent, again=True)
        try:
            with postponed() as interrupted:
                number = ask(agent, request)["number"]
            if interrupted():
                raise KeyboardInterrupt
            last = watch(state, agent, number)
        except KeyboardInterrupt:
            state.note(f"\ninterrupted: {local.name} is turned back and stopped")
            _end(agent, local)
            raise click.exceptions.Exit(INTERRUPTED) from None
        except BaseException:
            _end(agent, local)
            raise
        return _concluded(state, local, last, _end(agent, local))


def _concluded(state: State, local: Local, last: dict[str, Any], taken: dict[str, Any]) -> int:
    from lading.cli.rollouts import conclude

    rollout = last["rollout"]
    if state.json or rollout["outcome"] != "succeeded":
        status = conclude(state, {**last, "stopped": taken["stopped"]})
    else:
        status = 0
        checks = len(local.manifest.smoke)
        passed = f"{count(checks, 'smoke check')} passed" if checks else "started; no smoke check is written yet"
        state.say(f"\n{rollout['release']} is verified in {local.name}: {passed} · {rollout['seconds']:.1f} s")
    state.say(f"  {_stopped_words(taken)}")
    return status


def _end(agent: Agent, local: Local) -> dict[str, Any]:
    """Turn back what is under way in the environment, and take it down."""
    from lading.cli.rollouts import newest
    from lading.client.follow import follow

    # Whoever presses Ctrl-C twice means it once; a third time leaves things as they are.
    with postponed():
        found = newest(agent, local.project, local.name)
        if found is not None and found["outcome"] is None:
            with suppress(AgentError):
                # Refused when it is too late to turn back: then it ends by itself.
                agent.post(f"/v1/rollouts/{found['id']}/cancel", {"requested_by": requester()})
            for _ in follow(agent, found["id"]):
                pass
        return _take_down(agent, local)


@contextmanager
def _agent_as_found(agent: Agent) -> Iterator[None]:
    """Stop one's own agent at the end, if it did not run before and has nothing to serve."""
    from lading.cli.agent import halt
    from lading.client.local import answers

    ran = not agent.address.local or answers(agent.address)
    try:
        yield
    finally:
        if not ran and answers(agent.address) and _is_idle(agent):
            halt(agent)


def _is_idle(agent: Agent) -> bool:
    found = agent.get("/v1/environments")["environments"]
    return all(one["release"] is None and one["rollout"] is None for one in found)


# down


@click.command(cls=LadingCommand)
@click.argument("environment", required=False)
@pass_state
def down(state: State, environment: str | None) -> None:
    """Stop all that runs of a local ENVIRONMENT ("local", or the only one there is), and its routes; its data stays.

    It stays down, also when the agent or the machine is started again, until "lading up" brings it back.
    """
    local = local_environment(state, environment, "down")
    agent = local.agent(state)
    taken = _take_down(agent, local) if _can_run(agent) else _nothing(local)
    was = f"{local.name} was down already" if not taken["release"] and not taken["stopped"] else _was(local, taken)
    state.say(was)
    if taken["data"]:
        state.say(f"  its data stays in {taken['data']}")
    state.say(f"  bring it up again: {_command('up', local)}")
    state.result({"down": taken})


def _can_run(agent: Agent) -> bool:
    """Tell whether anything can run there: without a home there never was an agent, and none is started for this."""
    return not agent.address.local or agent.address.home.exists()


def _nothing(local: Local) -> dict[str, Any]:
    return {"project": local.project, "environment": local.name, "release": None, "stopped": [], "data": ""}


def _was(local: Local, taken: dict[str, Any]) -> str:
    served = f"; {taken['release']} served" if taken["release"] else ""
    return f"{local.name} is down: {_stopped_words(taken)}{served}"


def _stopped_words(taken: dict[str, Any]) -> str:
    """Return what was stopped: ``web/1 worker/1 stopped``, and of what stood by the version too."""
    names = [
        one["name"] if one["version"] == taken["release"] else f"{one['name']} of {one['version']}"
        for one in taken["stopped"]
    ]
    return f"{', '.join(names)} stopped" if names else "nothing ran"


def _take_down(agent: Agent, local: Local) -> dict[str, Any]:
    path = f"/v1/environments/{segment(local.project)}/{segment(local.name)}/down"
    taken: dict[str, Any] = agent.post(path)
    return taken
