"""``lading`` alone: where one stands on the road, and the next sensible step. Nothing is started or changed for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lading.cli.state import State
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.project import Outline
    from lading.cli.source import Head

PATIENCE = 1.0  # seconds that an agent may take to say what it serves
HELP = "lading --help shows the road"


class Source(NamedTuple):
    """The commit at HEAD, or what keeps a release from being built, and the command that mends it."""

    head: Head | None
    problem: str = ""
    remedy: str = ""


def stand(state: State) -> None:
    """Tell where one stands."""
    outline = _project(state)
    if outline is None:
        return
    source = _source(outline)
    known = _known(outline)
    next_step = source.remedy or next_of(outline, source.head, known)
    at = f"  at {source.head.version}" if source.head else ""
    state.say(f"{outline.name}{at}{f'  ({source.problem})' if source.problem else ''}")
    for name, entry in known.items():
        state.say(f"  {name:<14} {_words(entry)}")
    state.say(f"\nnext: {next_step}\n{HELP}")
    environments = {name: entry and entry["release"] for name, entry in known.items()}
    version = source.head.version if source.head else None
    state.result({"stand": {"project": outline.name, "version": version, "serves": environments, "next": next_step}})


def _project(state: State) -> Outline | None:
    from lading.cli.project import MANIFEST, find_manifest

    if find_manifest(state.directory) is None:
        where = Path(state.directory).absolute()
        state.say(f"there is no {MANIFEST} in {where} or above it\n\nnext: lading init\n{HELP}")
        state.result({"stand": {"project": None, "next": "lading init"}})
        return None
    try:
        return state.outline
    except LadingError as error:
        state.say(f"{error.doing}: {error.happened}\n\nnext: lading check\n{HELP}")
        state.result({"stand": {"project": None, "next": "lading check"}})
        return None


def _source(outline: Outline) -> Source:
    from lading.cli.source import head, require_clean

    try:
        commit = head(outline.directory)
    except LadingError as error:
        return Source(None, error.happened, error.hint)
    try:
        require_clean(outline.directory, outline.path.name)
    except LadingError:
        return Source(commit, "with changes that are not committed", "lading up, to see them run here; then git commit")
    return Source(commit)


def _known(outline: Outline) -> dict[str, dict[str, Any] | None]:
    """Return what every environment's agent says of it, None where that is not known."""
    answers = {host: _asked(outline.name, host) for host in dict.fromkeys(outline.hosts.values())}
    known: dict[str, dict[str, Any] | None] = {}
    for name, host in outline.hosts.items():
        found = answers[host]
        nothing = {"name": name, "release": None}
        known[name] = found if found is None else next((one for one in found if one["name"] == name), nothing)
    return known


def _asked(project: str, host: str | None) -> list[dict[str, Any]] | None:
    from lading.client.address import parse_address
    from lading.client.agent import Agent

    try:
        address = parse_address(host)
        if address.local and not address.home.exists():
            return []  # no agent has ever run here
        answer: dict[str, Any] = Agent(address, patience=PATIENCE).get("/v1/environments", project=project)
    except LadingError:
        return None  # that it is not known is what is told of it
    return list(answer["environments"])


def _words(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "not known: its agent does not run, or does not answer"
    idle = "is down" if entry.get("stopped") else "serves nothing yet"
    serves = f"{entry['release']}  {entry.get('url', '')}".rstrip() if entry["release"] else idle
    running = entry.get("rollout")
    told = f"  rollout {running['id']} under way: {running['kind']} {running['release']}" if running else ""
    closed = "  MAINTENANCE" if entry.get("maintenance") else ""
    return f"{serves}{closed}{told}{'  ALERT ' + entry['alert'] if entry.get('alert') else ''}"


def next_of(outline: Outline, head: Head | None, known: dict[str, dict[str, Any] | None]) -> str:
    """Return the next command on the road of what is at HEAD, by what every environment serves (None: not known)."""
    for name, entry in known.items():
        if entry and entry.get("rollout"):
            return f"lading follow {name}"
    passed = ""
    for name, entry in known.items():
        if entry is None:
            return "lading status"
        if head is None or entry["release"] == head.version:
            passed = name
            continue
        return _towards(name, entry, passed, head)
    if not known:
        return f"add an environment to {outline.path.name}: [environments.local]"
    return "nothing to do: every environment serves it"


def _towards(name: str, entry: dict[str, Any], passed: str, head: Head) -> str:
    """Return the command that brings HEAD's version to an environment."""
    tier = _tier(name, entry)
    if tier == "local":
        return "lading up" if name == "local" else f"lading up {name}"
    if not passed or tier != "production":
        return f"lading deploy {name}"
    if head.version.startswith("g"):
        return f"git tag v1.0.0, or whatever comes next: {name} takes semantic versions; then: lading deploy {passed}"
    return f"lading promote {passed} {name}"


def _tier(name: str, entry: dict[str, Any]) -> str:
    """Return an environment's tier as its agent holds it, else as its name has it where nothing was deployed yet."""
    named = {"local": "local", "dev": "local", "production": "production", "prod": "production"}
    return str(entry.get("tier") or named.get(name, "stage"))
