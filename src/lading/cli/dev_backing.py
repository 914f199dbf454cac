"""What backs the programs of ``lading dev``: where the local environment has it, brought up where it is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from lading.cli.interrupts import postponed
from lading.cli.main import INTERRUPTED
from lading.cli.project import LOCAL
from lading.client.agent import Agent, AgentError, StreamLost, requester, segment
from lading.model.errors import LadingError
from lading.model.secret import Secret

if TYPE_CHECKING:
    from lading.cli.locally import Local
    from lading.cli.progress import Story
    from lading.cli.state import State
    from lading.model.manifest import Database

NOTHING_BEGUN = "no program was started"
EMPTY_TAR = bytes(1024)


class Backed(NamedTuple):
    """What programs are given: URLs of files and directories by name, variables, addresses by name of a host.

    ``servers`` names what runs for them, ``unseen`` are values that nobody may see in what they print.
    """

    databases: Mapping[str, str] = {}
    volumes: Mapping[str, str] = {}
    told: Mapping[str, Secret] = {}
    hosts: Mapping[str, str] = {}
    servers: tuple[str, ...] = ()
    unseen: tuple[Secret, ...] = ()

    def places(self) -> str:
        """Return where the servers are, for people."""
        from lading.model.server import host_of

        found = {name: self.hosts.get(name) or self.hosts.get(host_of(name)) for name in self.servers}
        return ", ".join(f"{name} at {address}" for name, address in found.items())


def servers_of(local: Local) -> tuple[str, ...]:
    """Return the names of what Lading runs beside the programs: servers of databases, and backing services."""
    services = (name for name, service in local.manifest.services.items() if service.image is not None)
    return (*(name for name in local.manifest.databases if _is_run_here(local, name)), *services)


def back(state: State, local: Local, secrets: Mapping[str, Secret], story: Callable[[], Story]) -> Backed:
    """See that all of it is there, and return where; who has none needs no agent.

    ``secrets`` hold the URLs of databases that somebody else runs; ``story`` begins one for what is brought up.
    Ctrl-C meanwhile takes back what is being started, and ends the command.
    """
    told, unseen = _elsewhere(local, secrets)
    volumes = sorted({name for service in local.manifest.services.values() for name in service.volumes})
    own = {name: one for name, one in local.manifest.databases.items() if not _is_elsewhere(local, name)}
    servers = servers_of(local)
    if not (own or volumes or servers):
        return Backed(told=told, unseen=unseen)
    agent = local.agent(state)
    _require_here(agent, local, servers)
    if servers:
        _bring(state, agent, local, story)
    given = agent.post(_path(local), _asked(local, own, volumes))
    handed = _fetch(given.get("handed", ""), local)
    return Backed(
        databases=given["databases"],
        volumes=given["volumes"],
        told={**told, **{name: Secret(value) for name, value in handed["variables"].items()}},
        hosts=given.get("hosts", {}),
        servers=servers,
        unseen=(*unseen, *map(Secret, handed["secrets"])),
    )


def _asked(local: Local, databases: Mapping[str, Database], volumes: list[str]) -> dict[str, Any]:
    import msgspec

    services = {name: service for name, service in local.manifest.services.items() if service.image is not None}
    return {
        "databases": msgspec.to_builtins(databases),
        "volumes": volumes,
        "table": msgspec.to_builtins(local.table),
        "services": msgspec.to_builtins(services),
    }


def _path(local: Local) -> str:
    return f"/v1/environments/{segment(local.project)}/{segment(local.name)}/backing"


def _require_here(agent: Agent, local: Local, servers: tuple[str, ...]) -> None:
    if agent.address.host is None:
        return
    what = f": {', '.join(servers)}" if servers else ""
    raise LadingError(
        "usage",
        doing="lading dev",
        happened=f"{local.name} is on {agent.address.host.name}, and programs here cannot use what it has there{what}",
        now=NOTHING_BEGUN,
        hint=f"remove host from [environments.{local.name}]; or: lading up {local.name}, which runs all of it there",
    )


# databases that somebody else runs


def _is_elsewhere(local: Local, name: str) -> bool:
    return local.manifest.databases[name].has_server and not _is_run_here(local, name)


def _is_run_here(local: Local, name: str) -> bool:
    placed = local.table.databases.get(name)
    return local.manifest.databases[name].has_server and (placed is None or placed.url is None)


def _elsewhere(local: Local, secrets: Mapping[str, Secret]) -> tuple[dict[str, Secret], tuple[Secret, ...]]:
    """Return what programs are told of databases that somebody else runs, and what of it nobody may see."""
    from lading.model import server
    from lading.model.environment import Login

    told: dict[str, Secret] = {}
    unseen: list[Secret] = []
    for name, database in local.manifest.databases.items():
        if not _is_elsewhere(local, name):
            continue
        secret = local.table.databases[name].url or ""
        url = secrets.get(secret) or Secret(os.environ.get(secret, ""))
        if why := "it is missing" if not url.reveal() else server.why_no_url(url.reveal()):
            raise _no_url(local, name, secret, why)
        parts = server.told(database, Login(secret=secret, version=1), "{host}")
        told |= {variable: server.fill(one.template, url) for variable, one in parts.items()}
        unseen += [url, Secret(server.fields_of(url.reveal())["password"])]
    return told, tuple(unseen)


def _no_url(local: Local, name: str, secret: str, why: str) -> LadingError:
    return LadingError(
        "secret-missing",
        doing="refused",
        happened=f"{local.name} has its database {name} at {secret}: {why}",
        now=NOTHING_BEGUN,
        hint=f"write {secret}=postgresql://USER:PASSWORD@HOST:5432/NAME into .env",
    )


# servers


def _bring(state: State, agent: Agent, local: Local, story: Callable[[], Story]) -> None:
    """Let the agent bring up what is not up as the manifest has it."""
    from lading.cli.rollouts import told

    while True:
        try:
            number = _opened(state, agent, local)
            break
        except AgentError as error:
            if error.code != "busy":
                raise
            _await_other(state, agent, local, error)
    if number is None:
        return
    try:
        last = told(agent, number, story())
    except KeyboardInterrupt:
        raise _taken_back(state, agent, number, local) from None
    if last["rollout"]["outcome"] != "succeeded":
        raise _failed(agent, local, last)


def _opened(state: State, agent: Agent, local: Local) -> int | None:
    """Ask for what backs the environment, and return the rollout that brings it up; None when all of it is up."""
    from lading.cli.progress import working

    with working(state, "images") as work:
        for line in _lines(agent, local, _source(local)):
            if line.get("brought") is not None:
                number: int | None = line["brought"]["number"]
                return number
            event = line.get("event") or {}
            work.wait(event.get("text", ""), last=(event.get("data") or {}).get("line") or "")
    raise _broken_off(agent, "its answer has no end")


def _lines(agent: Agent, local: Local, source: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    try:
        yield from agent.stream("POST", f"{_path(local)}/rollouts", source)
    except StreamLost as error:
        raise _broken_off(agent, str(error)) from error


def _source(local: Local) -> Iterator[bytes]:
    import msgspec

    yield msgspec.json.encode({"manifest": local.manifest, "table": local.table}) + b"\n"
    services = local.manifest.services.values()
    if any(service.files for service in services if service.image is not None):
        from lading.cli.worktree import taken

        with taken(local.directory, "lading.toml") as tree:
            yield from tree.export()
    else:
        yield EMPTY_TAR


def _await_other(state: State, agent: Agent, local: Local, error: AgentError) -> None:
    """Wait for the rollout that has the environment: what it leaves may be all that is needed."""
    from lading.cli.rollouts import newest
    from lading.client.follow import follow

    other = newest(agent, local.project, local.name)
    if other is None or other["outcome"] is not None:
        return
    state.note(f"waiting: {error.happened}")
    for _ in follow(agent, other["id"]):
        pass


def _taken_back(state: State, agent: Agent, number: int, local: Local) -> click.exceptions.Exit:
    """Turn back what is being brought up, and return the end of the command."""
    from lading.client.follow import follow

    # Whoever presses Ctrl-C twice means it once; a third time leaves things as they are.
    with postponed():
        state.note("\ninterrupted: what is being started is taken back")
        agent.post(f"/v1/rollouts/{number}/cancel", {"requested_by": requester()})
        for _ in follow(agent, number):
            pass
        state.note(f"  {NOTHING_BEGUN}{_what_is_left(agent, local)}")
    return click.exceptions.Exit(INTERRUPTED)


def _what_is_left(agent: Agent, local: Local) -> str:
    """Say which servers run all the same: one that had been there before, or that had let somebody in."""
    found = agent.get("/v1/environments", project=local.project)["environments"]
    known: list[dict[str, Any]] = next((one["instances"] for one in found if one["name"] == local.name), [])
    names = set(servers_of(local))
    running = [one["service"] for one in known if one["running"] and one["service"] in names]
    return f"; {stays(running, local.name)}" if running else ""


def stays(names: Sequence[str], environment: str) -> str:
    """Return the sentence about servers that run on without the programs, and what ends them."""
    down = "lading down" if environment == LOCAL else f"lading down {environment}"
    run, them, their = ("runs", "it", "its") if len(names) == 1 else ("run", "them", "their")
    return f"{' and '.join(names)} of {environment} {run} on; {down} ends {them}, {their} data stays"


def _failed(agent: Agent, local: Local, last: dict[str, Any]) -> LadingError:
    """Return what kept the servers from coming up."""
    plain = last.get("error") or {"happened": f"what backs {local.name} did not come up: {last['rollout']['outcome']}"}
    error = LadingError.from_plain(plain)
    now = f"{error.now}; {NOTHING_BEGUN}".removeprefix("; ") + _what_is_left(agent, local)
    return LadingError(
        error.code, doing=error.doing, happened=error.happened, now=now, hint=error.hint, details=error.details
    )


def _broken_off(agent: Agent, reason: str) -> LadingError:
    return LadingError(
        "agent-unreachable",
        doing=f"bringing up what backs the programs, at the agent {agent.address}",
        happened=f"the agent went away before it had answered ({reason})",
        now=NOTHING_BEGUN,
        hint="lading agent status, then the same command again",
    )


def _fetch(place: str, local: Local) -> dict[str, Any]:
    """Return what the agent wrote down for this user alone, and remove it."""
    from lading.model import typed

    if not place:
        return {"variables": {}, "secrets": []}
    path = Path(place)
    try:
        found: dict[str, Any] = typed.plain(path.read_bytes())
        path.unlink()
    except OSError as error:
        raise LadingError(
            "secrets-unusable",
            doing=f"reading how the databases of {local.name} are reached",
            happened=f"{path}: {error.strerror}; the agent keeps their passwords for its own user",
            now=f"{NOTHING_BEGUN}; the servers are up",
            hint="start lading dev as the user whose agent it is, or without --agent and host: with your own",
        ) from error
    return found
