"""What helps after a failed deploy: an environment of the project that passed the same release, to compare with."""

from __future__ import annotations

from typing import Any

from lading.cli.state import State
from lading.model.errors import LadingError

PATIENCE = 2.0  # seconds an agent may take to say what it serves: nobody waits long for a hint
TURNED = ("unwound", "rolled_back")


def with_comparison(state: State, last: dict[str, Any]) -> dict[str, Any]:
    """Return a rollout's last line; where it failed and the release passed locally, its hint says how to compare."""
    rollout, error = last["rollout"], last.get("error")
    if error is None or rollout["outcome"] not in TURNED:
        return last
    name = _passed_locally(state, rollout["environment"], rollout["release"])
    if name is None:
        return last
    first = error.get("hint") or f"lading history {rollout['environment']}"
    hint = f"{first}; {rollout['release']} serves in {name}: lading diff {name} {rollout['environment']}"
    return {**last, "error": {**error, "hint": hint}}


def _passed_locally(state: State, environment: str, release: str) -> str | None:
    from lading.cli.project import environment_tier

    outline = state.outline_if_any()
    if outline is None:
        return None
    for name, host in outline.hosts.items():
        is_other_local = name != environment and environment_tier(outline.path, name) == "local"
        if is_other_local and _serves(state.agent or host, outline.name, name) == release:
            return name
    return None


def _serves(host: str | None, project: str, name: str) -> str | None:
    from lading.client.address import parse_address
    from lading.client.agent import Agent

    try:
        found = Agent(parse_address(host), patience=PATIENCE).get("/v1/environments", project=project)["environments"]
    except LadingError:
        # The failure itself is what is told; a hint that cannot be had is left out.
        return None
    return next((entry["release"] for entry in found if entry["name"] == name), None)
