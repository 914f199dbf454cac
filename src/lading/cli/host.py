"""``lading host``: the machines that environments live on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingGroup
from lading.cli.state import State, pass_state
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.client.hosts.setup import Cargo
    from lading.client.hosts.step import Step
    from lading.client.ssh.connection import Connection
    from lading.doctor.finding import Finding

DEPLOYER = "deploy"


@click.group(cls=LadingGroup)
def host() -> None:
    """Make machines hosts of Lading, and look after them."""


@host.command("add")
@click.argument("address", metavar="ssh://root@HOST")
@click.option("--user", default=DEPLOYER, show_default=True, metavar="NAME", help="The user who deploys from then on.")
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The public key that lets this user in; unless given, the one that lets you in.",
)
@click.option("--carry", is_flag=True, help="Send all that Lading needs: for a machine that reaches no package index.")
@click.option("--no-docker", is_flag=True, help="Do without Docker: for environments that run bundles alone.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@pass_state
def add(state: State, address: str, user: str, key: Path | None, carry: bool, no_docker: bool, dry_run: bool) -> None:
    """Make a machine a host, over ssh as root: Docker, Lading at this version, a service, a user who deploys.

    Every step says whether it was needed; the same command again does what is missing. Afterwards environments live
    there with host = "ssh://deploy@HOST".
    """
    from lading.client.hosts.keys import key_of, middle_of, used_key
    from lading.client.hosts.look import look
    from lading.client.hosts.setup import cargo
    from lading.client.hosts.steps import Wanted, steps

    connection = _connection(address)
    load = cargo(offline=carry)
    line = key_of(key) if key else used_key(connection)
    facts = look(connection, user, middle_of(line))
    account = "" if user == "root" else user
    wanted = Wanted(load.build, account, line, carry, docker=not no_docker)
    done = _carry_out(state, connection, steps(facts, wanted), load, dry_run=dry_run)
    result: dict[str, Any] = {"host": address, "steps": done, "dry_run": dry_run}
    if dry_run:
        state.say("\nnothing was done; without --dry-run it is")
    else:
        result |= _welcome(state, connection, account or "root", load.build)
    state.result({"host": result})


@host.command("upgrade")
@click.argument("address", metavar="ssh://root@HOST")
@click.option("--carry", is_flag=True, help="Send all that Lading needs: for a machine that reaches no package index.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@pass_state
def upgrade(state: State, address: str, carry: bool, dry_run: bool) -> None:
    """Bring a host's Lading to this version. What it serves goes on serving; a running rollout is taken up again."""
    from lading.client.hosts.look import look
    from lading.client.hosts.setup import cargo
    from lading.client.hosts.steps import Wanted, upgrade_steps

    connection = _connection(address)
    load = cargo(offline=carry)
    plan = upgrade_steps(look(connection), Wanted(load.build, offline=carry))
    done = _carry_out(state, connection, plan, load, dry_run=dry_run)
    result: dict[str, Any] = {"host": address, "steps": done, "dry_run": dry_run}
    if not dry_run:
        result["agent"] = _answering(state, connection, load.build)
    state.result({"host": result})


@host.command("doctor")
@click.argument("address", metavar="ssh://root@HOST")
@pass_state
@click.pass_context
def doctor(ctx: click.Context, state: State, address: str) -> None:
    """Look for what is wrong with a host: as root sees it, and as its agent does; each finding with its remedy.

    Nothing is changed. The exit status is 0 when nothing is wrong and 1 when something is; a warning (!) should be
    known and does not count as wrong.
    """
    from lading.cli.doctor import told
    from lading.client.hosts.findings import findings
    from lading.client.hosts.look import look
    from lading.client.hosts.setup import cargo

    connection = _connection(address)
    found = {
        f"host {address}": findings(look(connection), cargo().build, address),
        "its agent": _agents_own(connection),
    }
    ctx.exit(told(state, found))


@host.command("list")
@pass_state
@click.pass_context
def list_hosts(ctx: click.Context, state: State) -> None:
    """List the hosts that were added here and those of the manifest: version, and what they serve.

    Exit status 7 when one of them cannot be reached.
    """
    from concurrent.futures import ThreadPoolExecutor

    from lading.client.hosts.known import known

    outline = state.outline_if_any()
    named = [place for place in (outline.hosts.values() if outline else ()) if place and place.startswith("ssh://")]
    addresses = list(dict.fromkeys([*known(), *named]))
    with ThreadPoolExecutor(max_workers=8) as asking:
        rows = list(asking.map(_asked, addresses))
    for row in rows:
        for line in _lines_of(row):
            state.say(line)
    if not rows:
        state.say("no host is known here; next: lading host add ssh://root@HOST")
    state.result({"hosts": rows})
    for row in rows:
        if "error" in row:
            ctx.exit(LadingError.from_plain(row["error"]).exit_status)


@host.command("remove")
@click.argument("address", metavar="ssh://root@HOST")
@click.option("--data", is_flag=True, help="Remove releases, databases, secrets and the journal too, for good.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@pass_state
def remove(state: State, address: str, data: bool, yes: bool, dry_run: bool) -> None:
    """Take away from a host what Lading made there. What it serves ends, which is said before.

    Data stay (releases, databases, secrets, journal), unless --data is given: host add finds them again.
    """
    from lading.client.hosts.known import forget
    from lading.client.hosts.look import look
    from lading.client.hosts.removal import removal_steps
    from lading.client.hosts.setup import Cargo

    connection = _connection(address)
    plan = removal_steps(look(connection), data=data)
    ends = _serving(connection)
    for line in ends or ["it serves nothing, as far as can be asked"]:
        state.note(f"  ends: {line}" if ends else f"  {line}")
    if not dry_run and not yes:
        _ask(plan)
    done = _carry_out(state, connection, plan, Cargo("", lambda: b""), dry_run=dry_run)
    if not dry_run:
        forget(connection.host)
    state.result({"host": {"host": address, "steps": done, "dry_run": dry_run, "ended": ends}})


def _connection(address: str) -> Connection:
    from lading.client.address import parse_host
    from lading.client.ssh.connection import Connection

    connection = Connection(parse_host(address))
    connection.open()
    return connection


def _carry_out(
    state: State, connection: Connection, plan: list[Step], load: Cargo, *, dry_run: bool
) -> list[dict[str, Any]]:
    from lading.cli.progress import working
    from lading.client.hosts.setup import carry_out

    done: list[dict[str, Any]] = []
    for step in plan:
        entry = {"name": step.name, "text": step.text, "needed": step.needed}
        done.append(entry)
        if not step.needed or dry_run:
            _say(state, "~" if step.needed else "·", step.name, step.text)
            continue
        with working(state, step.name, step.text) as work:
            carry_out(connection, step, load)
            work.done(step.text)
    return done


def _welcome(state: State, connection: Connection, account: str, build: str) -> dict[str, Any]:
    from lading.client.hosts.known import remember

    about = _answering(state, connection, build)
    address = str(connection.host._replace(user=account))
    remember(address)
    state.say(f"\nits agent is {about['name']}, key {about['fingerprint']}")
    state.say(f'next, in lading.toml:  host = "{address}"')
    return {"address": address, "agent": about}


def _answering(state: State, connection: Connection, build: str) -> dict[str, Any]:
    from lading.cli.progress import working
    from lading.client.hosts.setup import agent_of

    with working(state, "answer", "waiting for its agent") as work:
        about = agent_of(connection.host, build)
        work.done(f"lading {about['version']}, pid {about['pid']}")
    return about


def _say(state: State, mark: str, name: str, text: str) -> None:
    from lading.cli.progress import Line, layout
    from lading.cli.terminal import WIDEST

    state.say(layout(Line(mark, name, text, None), WIDEST))


def _agents_own(connection: Connection) -> tuple[Finding, ...]:
    from lading.client.address import parse_address
    from lading.client.agent import Agent
    from lading.doctor.finding import Finding
    from lading.model import typed

    try:
        answer = Agent(parse_address(str(connection.host))).get("/v1/doctor")
    except LadingError:
        return ()  # that it does not answer has been found above
    return typed.convert(answer["findings"], tuple[Finding, ...])


def _ask(plan: list[Step]) -> None:
    import sys

    if not sys.stdin.isatty():
        raise LadingError(
            "usage",
            doing="removing a host",
            happened="nobody can be asked whether that is meant",
            now="nothing was changed",
            hint="look with --dry-run, then say --yes",
        )
    for step in plan:
        click.echo(f"  {'~' if step.needed else '·'} {step.name:<16} {step.text}", err=True)
    click.confirm("Is that meant?", abort=True, err=True)


def _serving(connection: Connection) -> list[str]:
    from lading.client.address import parse_address
    from lading.client.agent import Agent

    try:
        found = Agent(parse_address(str(connection.host))).get("/v1/environments")["environments"]
    except LadingError:
        return []
    return [f"{one['project']} {one['name']}, {one['release']}" for one in found if one["release"]]


def _asked(address: str) -> dict[str, Any]:
    from lading.client.address import parse_address
    from lading.client.agent import Agent

    try:
        agent = Agent(parse_address(address), patience=5.0)
        about = agent.get("/v1/agent")
        found = agent.get("/v1/environments")["environments"]
    except LadingError as error:
        return {"host": address, "error": error.to_plain()}
    serves = [{key: one[key] for key in ("project", "name", "release", "url")} for one in found]
    return {"host": address, "agent": about, "environments": serves}


def _lines_of(row: dict[str, Any]) -> list[str]:
    if "error" in row:
        return [f"{row['host']}", f"  not reached: {row['error']['happened']}", f"  next:    {row['error']['hint']}"]
    about = row["agent"]
    lines = [f"{row['host']}  lading {about['version']}  {about['name']}"]
    lines += [f"  {one['project']} {one['name']:<12} {one['release'] or 'nothing yet'}" for one in row["environments"]]
    return lines
