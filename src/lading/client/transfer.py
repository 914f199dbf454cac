"""Carries a release from one agent to another: only the blobs the other side lacks."""

from typing import Any, NamedTuple

from lading.client.agent import Agent, AgentError, segment


class Transfer(NamedTuple):
    """What a transfer moved: blobs sent of all, and their bytes."""

    sent: int
    total: int
    size: int


def release_path(project: str, version: str) -> str:
    """Return the path of a release at an agent."""
    return f"/v1/releases/{segment(project)}/{segment(version)}"


def find_release(agent: Agent, project: str, version: str) -> dict[str, Any] | None:
    """Return a release as the agent knows it, None when it does not."""
    try:
        found: dict[str, Any] = agent.get(release_path(project, version))
    except AgentError as error:
        if error.code == "unknown-release":
            return None
        raise
    return found


def is_whole(agent: Agent, release: dict[str, Any]) -> bool:
    """Tell whether the agent still has all of a release's bytes: those of old releases are pruned, their names stay."""
    layers = {layer["digest"] for artifact in release["artifacts"] for layer in artifact["layers"]}
    return all(agent.has_blob(digest) for digest in layers)


def send_release(release: dict[str, Any], source: Agent, target: Agent) -> Transfer:
    """Copy a release's missing blobs and its record from ``source`` to ``target``, which verifies both."""
    layers = {layer["digest"]: layer["size"] for artifact in release["artifacts"] for layer in artifact["layers"]}
    missing = [digest for digest in layers if not target.has_blob(digest)]
    for digest in missing:
        target.put_blob(digest, source.blob(digest))
    target.put(release_path(release["project"], release["version"]), release)
    return Transfer(len(missing), len(layers), sum(layers[digest] for digest in missing))
