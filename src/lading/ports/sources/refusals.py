"""How a source that gives nothing is told of: the same words for every adapter."""

import json
from collections.abc import Mapping

from lading.model.environment_table import SecretSource
from lading.model.errors import LadingError

_KEYS = {"command": "commands", "variable": "variables", "file": "files"}
_FORBIDDEN = "not allowed by this agent"


def not_allowed(environment: str, source: SecretSource) -> tuple[str, ...]:
    """Say that the agent does not allow a source, and the lines of its settings that would."""
    return (
        f"the {source.kind} {source.place} is {_FORBIDDEN}; agent.toml would say:",
        "[[secrets]]",
        f'environment = "{environment}"',
        f"{_KEYS[source.kind]} = [{json.dumps(source.place, ensure_ascii=False)}]",
    )


def refused(environment: str, wrong: Mapping[str, tuple[str, ...]]) -> LadingError:
    """Return the error for secrets whose sources gave nothing: for each name why, and further lines."""
    details: list[str] = []
    for name, (reason, *lines) in wrong.items():
        details += [f"{name}: {reason}", *(f"  {line}" for line in lines)]
    place = environment.rpartition("/")[2]
    forbidden = any(_FORBIDDEN in reason for reason, *_ in wrong.values())
    allow = "who runs the agent adds the lines to agent.toml in its home, then: lading agent stop, lading agent start"
    return LadingError(
        "secret-source",
        doing="refused",
        happened=f"{place} cannot get {', '.join(wrong)} from where the manifest says",
        details=tuple(details),
        now="nothing was changed; what serves goes on with the values it has",
        hint=allow if forbidden else "mend it on the agent's host, then the same command again",
    )
