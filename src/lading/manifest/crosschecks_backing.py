"""Rules for services that run somebody else's image: they are neither built, nor routed to, nor repeated."""

from typing import Any

from lading.manifest.problems import Findings, Path
from lading.manifest.raw import items, table, tables

_BUILT = "has no meaning beside image: it is taken as it is"
_ROUTED = "has no meaning beside image: no visitor reaches it, the other services do, by name"
_WITHOUT_MEANING = {
    **dict.fromkeys(("build", "static"), _BUILT),
    **dict.fromkeys(("port", "path", "strip_prefix", "affinity"), _ROUTED),
}


def check_backing(data: dict[str, Any], findings: Findings) -> None:
    """Note what a service with an image cannot have, and what only such a one can."""
    backing = []
    for path, service in tables(data, "services"):
        if "image" in service:
            backing.append(str(path[1]))
            _check_one(path, service, table(data, "databases"), findings)
        elif "check" in service:
            remedy = 'ask it by ready = "/ready"; a worker only has to stay up'
            findings.add((*path, "check"), "is for services with an image that is not built here", remedy)
    for path, environment in tables(data, "environments"):
        for name, _ in items(environment, "replicas"):
            if name in backing:
                findings.add((*path, "replicas", name), "is for what is built here: it runs once", "remove it")


def _check_one(path: Path, service: dict[str, Any], databases: dict[str, Any], findings: Findings) -> None:
    for name, why in _WITHOUT_MEANING.items():
        if name in service:
            findings.add((*path, name), why, "remove it", at_key=True)
    for name in ("health", "ready"):
        if name in service:
            remedy = 'write for example check = "redis-cli -h redis ping"'
            findings.add((*path, name), "is for services that take requests of visitors", remedy, at_key=True)
    if path[1] in databases:
        findings.add(path, "is the name of a database already, and both are found by name", "rename one of them")
