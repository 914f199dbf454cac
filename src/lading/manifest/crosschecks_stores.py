"""Rules of places in object stores."""

from collections.abc import Iterator
from typing import Any

from lading.manifest.problems import Findings, Path
from lading.manifest.raw import items, table, tables, text
from lading.model.environment_table import ObjectStore

_DEFAULTS = ObjectStore(store="")


def check_stores(data: dict[str, Any], findings: Findings) -> None:
    """Note an environment whose store would be opened by one secret alone."""
    for path, environment in tables(data, "environments"):
        if isinstance(environment.get("outputs"), dict):
            access, secret = secrets_of_store(environment)
            if access == secret:
                findings.add((*path, "outputs"), "has the same secret for the key's id and the key", "name two")


def secrets_of_store(environment: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of the secrets that open the store of an environment's outputs; none without a store."""
    if not isinstance(environment.get("outputs"), dict):
        return ()
    outputs = table(environment, "outputs")
    return (
        text(outputs, "access_key") or _DEFAULTS.access_key,
        text(outputs, "secret_key") or _DEFAULTS.secret_key,
    )


def plain_endpoints(data: dict[str, Any]) -> Iterator[Path]:
    """Give the places of endpoints that are reached without TLS, this machine's own excepted."""
    for path, environment in tables(data, "environments"):
        for name, value in items(environment, "outputs"):
            if name == "endpoint" and isinstance(value, str) and value.startswith("http://"):
                host = value.removeprefix("http://").partition("/")[0].partition(":")[0]
                if host not in ("127.0.0.1", "localhost"):
                    yield (*path, "outputs", name)
