"""Sees that a release is there: finds it at the agent, builds it from the clean HEAD, carries it to its host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lading.cli.project import Outline, read
from lading.cli.source import Head, export, head, require_clean, require_tag_here
from lading.cli.state import State, echo_json
from lading.cli.words import short, size
from lading.cli.worktree import taken
from lading.client.agent import Agent, StreamLost
from lading.client.transfer import find_release, is_whole, release_path, send_release
from lading.model.errors import LadingError

if TYPE_CHECKING:
    from lading.cli.progress import Work

MOST_NAMED = 5  # files named in one line


class Built(NamedTuple):
    """A release as the agent knows it, and the agent that has it."""

    release: dict[str, Any]
    agent: Agent


def kind_of(release: dict[str, Any]) -> str:
    """Return what the release is made of: ``bundle``, ``image``, both, or files alone."""
    kinds = {artifact["kind"] for artifact in release["artifacts"]}
    # Files beside programs are no kind of release.
    return "+".join(sorted(kinds - {"files"} or kinds))


def provide(state: State, version: str | None) -> Built:
    """Return the release of a version, else of the clean HEAD, which is built when one's own agent lacks it."""
    agent = state.own_agent()
    outline = state.outline
    if version is not None:
        found = find_release(agent, outline.name, version)
        return Built(found or _build_tagged(state, agent, version), agent)
    commit = head(outline.directory)
    _say_left_out(state, require_clean(outline.directory, outline.path.name))
    return Built(_found_or_built(state, agent, commit, lambda: export(outline.directory, commit.commit)), agent)


def provide_work_tree(state: State, agent: Agent) -> Built:
    """Return the release of what git tracks as it is in the work tree now; what is in no commit is ``-dirty``."""
    outline = state.outline
    with taken(outline.directory, outline.path.name) as tree:
        # An .env is not meant to be committed; what it gives is told elsewhere.
        _say_left_out(state, [name for name in tree.untracked if name != ".env"])
        if tree.changed:
            state.note(f"not committed, so only for local: {_some(tree.changed)}")
        return Built(_found_or_built(state, agent, tree.head, tree.export), agent)


def _found_or_built(state: State, agent: Agent, commit: Head, source: Callable[[], Iterator[bytes]]) -> dict[str, Any]:
    found = find_release(agent, state.outline.name, commit.version)
    if found is not None and found.get("commit") == commit.commit and is_whole(agent, found):
        return found
    return _send(state, agent, commit, source())


def _say_left_out(state: State, untracked: Sequence[str]) -> None:
    if untracked:
        state.note(f"left out, not committed: {_some(untracked)}")


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:MOST_NAMED])}{' …' if len(names) > MOST_NAMED else ''}"


def build(state: State, agent: Agent, version: str | None) -> dict[str, Any]:
    """Build a release from the clean HEAD at the agent and return it."""
    outline = state.outline
    commit = head(outline.directory)
    version = version or commit.version
    require_tag_here(outline.directory, version, commit.commit)
    _say_left_out(state, require_clean(outline.directory, outline.path.name))
    return _send(state, agent, Head(commit.commit, version), export(outline.directory, commit.commit))


def carry(state: State, built: Built, target: Agent) -> None:
    """Carry the release to the environment's agent, when that is another one."""
    if _has_it(built, target):
        return
    from lading.cli.progress import working

    with working(state, "transfer", f"to the agent {target.address}") as work:
        moved = send_release(
            built.release,
            built.agent,
            target,
            lambda arrived, total: work.wait(f"{size(arrived)} of {size(total)} to the agent {target.address}"),
        )
        work.done(f"{moved.sent} of {moved.total} layers, {size(moved.size)}")


def bill_for(built: Built, target: Agent) -> list[dict[str, Any]]:
    """Return the signed statements to bring along; the agent that has the release knows its own."""
    if _has_it(built, target):
        return []
    bill = built.agent.get(f"/v1/bills/{built.release['digest']}")
    # Introductions of its newer keys come first: what follows is signed with them.
    return [*bill["introductions"], *(entry["envelope"] for entry in bill["statements"])]


def _has_it(built: Built, target: Agent) -> bool:
    return target.address.is_same(built.agent.address)


def _build_tagged(state: State, agent: Agent, version: str) -> dict[str, Any]:
    commit = head(state.outline.directory)
    if version != commit.version:
        raise LadingError(
            "unknown-release",
            doing=f"looking for release {version} of {state.outline.name}",
            happened=f"the agent at {agent.address} has none, and HEAD is {commit.version}",
            now="nothing was changed",
            hint=f"git checkout the commit that is to be {version}, then: lading release {version}",
        )
    return build(state, agent, version)


def _send(state: State, agent: Agent, commit: Head, source: Iterator[bytes]) -> dict[str, Any]:
    from lading.cli.progress import working

    outline = state.outline
    body = _body(outline, source)
    path = release_path(outline.name, commit.version)
    try:
        with working(state, "build", f"{commit.version}, reading the source") as work:
            for line in agent.stream("POST", path, body, commit=commit.commit):
                if "release" in line:
                    release: dict[str, Any] = line["release"]
                    return release
                _tell(state, work, line)
    except StreamLost as error:
        raise _unfinished(agent, commit.version, str(error)) from error
    raise _unfinished(agent, commit.version, "its answer has no release")


def _body(outline: Outline, source: Iterator[bytes]) -> Iterator[bytes]:
    import msgspec

    # One line of JSON, then the tar: one request, and the agent never has to search the tar.
    yield msgspec.json.encode(read(outline.path)) + b"\n"
    yield from source


def _tell(state: State, work: Work, line: dict[str, Any]) -> None:
    event = line.get("event", {})
    if state.json:
        echo_json(line)
    elif event.get("kind") == "progress":
        work.wait(event["text"], last=(event.get("data") or {}).get("line", ""))
    else:
        work.say(f"    {event.get('text', '')}")


def _unfinished(agent: Agent, version: str, reason: str) -> LadingError:
    return LadingError(
        "agent-unreachable",
        doing=f"building {version} at the agent {agent.address}",
        happened=f"the agent went away before the build was done ({reason})",
        now="no release was recorded",
        hint="lading agent status, then the same command again",
    )


def describe(release: dict[str, Any]) -> str:
    """Return the line that names a release: ``cashback v1.5.0  sha256:4f1c…  bundle``."""
    total = sum(layer["size"] for artifact in release["artifacts"] for layer in artifact["layers"])
    kind = kind_of(release)
    return f"{release['project']} {release['version']}  {short(release['digest'])}  {kind}, {size(total)}"


def payload(release: dict[str, Any]) -> dict[str, Any]:
    """Return the result object of a release."""
    return {
        "release": {"version": release["version"], "digest": release["digest"], "kind": kind_of(release)},
    }
