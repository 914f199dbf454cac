"""``lading history``: the rollouts of an environment, and release notes made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lading.cli.base import LadingCommand
from lading.cli.state import State, pass_state
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.notes import Commit, Span
    from lading.client.agent import Agent

MOST = 1000  # rollouts of one environment in release notes
# Acts that changed what is served without a rollout: as the audit calls them, and as the table does.
ACTS = {"taken down": "down"}
MIGRATING = ("backup", "rehearse", "migrate", "restore")  # steps whose words release notes repeat


@click.command(cls=LadingCommand)
@click.argument("environment", required=False)
@click.argument("span", metavar="[FROM..TO]", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, MOST), help="How many rollouts to show.")
@click.option("--markdown", is_flag=True, help="Print release notes: what was released where, and what went wrong.")
@pass_state
def history(state: State, environment: str | None, span: str | None, limit: int, markdown: bool) -> None:
    """Show the rollouts of ENVIRONMENT, newest first: who asked for what, and what came of it.

    With --markdown it prints release notes, of ENVIRONMENT or else of every environment but local ones, for the
    versions above FROM up to TO (all of them unless given): commits between the tags, what was released where and
    when, migrations, failures, rollbacks, outages and lost requests. The same journal gives the same text.
    """
    if environment is not None and ".." in environment and span is None:
        environment, span = None, environment
    if markdown:
        _markdown(state, environment, span)
        return
    if environment is None or span is not None:
        raise LadingError(
            "usage",
            doing="lading history",
            happened="without --markdown it shows one environment" if span is None else "FROM..TO goes with --markdown",
            hint="lading history ENVIRONMENT, or lading history --markdown FROM..TO",
        )
    _table(state, environment, limit)


def _table(state: State, environment: str, limit: int) -> None:
    from lading.cli.words import table

    agent, name = state.agent_for(environment), state.outline.name
    found = agent.get("/v1/rollouts", project=name, environment=environment, limit=limit)["rollouts"]
    acts = [one for one in agent.get("/v1/audit", environment=f"{name}/{environment}")["audit"] if one["act"] in ACTS]
    more = len(found) == limit
    if more:
        acts = [one for one in acts if one["at"] > found[-1]["created"]]
    rows = [(rollout["created"], _row(rollout)) for rollout in found] + [(one["at"], _act(one)) for one in acts]
    for line in table([row for _, row in sorted(rows, key=lambda timed: timed[0], reverse=True)]):
        state.say(line)
    if not found:
        state.say(f"{environment} has had no rollout yet; next: lading deploy {environment}")
    elif more:
        state.say(f"older ones: --limit {min(limit * 5, MOST)}")
    state.result({"rollouts": found, "acts": acts})


def _act(audit: dict[str, Any]) -> tuple[str, ...]:
    from lading.cli.words import age

    version = audit["data"].get("version") or ""
    return ("", age(audit["at"]), ACTS[audit["act"]], version and f"{version} → nothing", "", "", "", audit["who"])


def _row(rollout: dict[str, Any]) -> tuple[str, ...]:
    from lading.cli.words import age, seconds

    lost = f"{rollout['lost_requests']:,} of {rollout['requests']:,} lost" if rollout["requests"] else ""
    return (
        str(rollout["id"]),
        age(rollout["created"]),
        rollout["kind"],
        rollout["release"]
        if rollout["kind"] == "dev"
        else f"{rollout['previous'] or 'nothing'} → {rollout['release']}",
        rollout["outcome"] or "under way",
        seconds(rollout["seconds"]),
        lost,
        rollout["requested_by"],
    )


def _markdown(state: State, environment: str | None, given: str | None) -> None:
    from lading.cli.notes import notes, of_version

    span = _span(given)
    outline = state.outline
    names = [environment] if environment is not None else _released(state)
    told = []
    for name in names:
        agent = state.agent_for(name)
        entries = agent.get("/v1/rollouts", project=outline.name, environment=name, limit=MOST)["rollouts"]
        told += [_completed(agent, entry) for entry in entries if span.holds(of_version(entry))]
    versions = list(dict.fromkeys(of_version(entry) for entry in told))
    text = notes(outline.name, span, told, _commits(state, versions), list(outline.hosts))
    state.say(text.rstrip("\n"))
    state.result({"markdown": text})


def _span(given: str | None) -> Span:
    from lading.cli.notes import Span, order

    if given is None:
        return Span()
    after, dots, upto = given.partition("..")
    wrong = [end for end in (after, upto) if end and order(end) is None]
    if wrong or not dots:
        raise LadingError(
            "usage",
            doing="lading history --markdown",
            happened=f"{wrong[0] if wrong else given} is no semantic version such as v1.5.0" if dots else "no .. in it",
            hint="lading history --markdown v1.4.0..v1.5.0; one end may be left out",
        )
    return Span(after, upto)


def _released(state: State) -> list[str]:
    from lading.cli.project import environment_tier

    outline = state.outline
    return [name for name in outline.hosts if environment_tier(outline.path, name) != "local"]


def _completed(agent: Agent, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a rollout with what turned it around, and what its migrations told."""
    entry = dict(entry)
    if entry["outcome"] not in ("succeeded", None):
        entry["error"] = agent.get(f"/v1/rollouts/{entry['id']}").get("error")
    if any(step["name"] in MIGRATING and step["outcome"] == "done" for step in entry["steps"]):
        lines = agent.stream("GET", f"/v1/rollouts/{entry['id']}/events")
        events = [line["event"] for line in lines if "event" in line]
        done = [event for event in events if event["kind"] == "done" and event["name"] in MIGRATING]
        entry["migrations"] = [f"{event['name']} {event['subject']}: {event['text']}" for event in done]
    return entry


def _commits(state: State, versions: list[str]) -> dict[str, list[Commit]]:
    """Return the commits of each version since the tag before it; none where there is no such tag or repository."""
    from lading.cli.notes import Commit, order
    from lading.cli.source import git

    directory = state.outline.directory
    listed = git(directory, "tag", "--list") or ""
    known = {tag: place for tag in listed.split() if (place := order(tag)) is not None}
    tags = sorted(known, key=lambda tag: known[tag])
    found: dict[str, list[Commit]] = {}
    for version in versions:
        if version not in tags:
            continue
        at = tags.index(version)
        # Without a tag before it, every commit of the project would be its own.
        between = f"{tags[at - 1]}..{version}" if at else version
        log = git(directory, "log", "--no-merges", "--format=%h%x09%s", "--max-count=200", between, "--", ".") or ""
        pairs = (line.partition("\t") for line in log.splitlines())
        found[version] = [Commit(short, subject) for short, _, subject in pairs]
    return found
