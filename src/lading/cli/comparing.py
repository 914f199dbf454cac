"""What differs between two configurations of a project: pure, and never a value that looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from lading.cli.words import short
from lading.manifest.advice import looks_secret
from lading.model.endpoints import endpoint
from lading.model.environment_table import Environment
from lading.model.manifest import Manifest, Service
from lading.model.secret import MASK
from lading.model.value import Resources

SECTIONS: Final = ("release", "secrets", "database", "origins", "endpoints", "variables", "resources", "strategy",
                   "policy", "other")  # fmt: skip
_ORIGINS: Final = re.compile(r"CORS|ORIGIN|ALLOWED_HOST|TRUSTED_HOST|CSRF|COOKIE_DOMAIN|(PUBLIC|SITE|BASE|FRONTEND)_UR")
_STORES: Final = re.compile(r"DATABASE|(^|_)(DB|PG|POSTGRES|MYSQL|SQLITE|REDIS|MONGO|CACHE|BROKER|AMQP|RABBIT)")
_PRIVATE: Final = re.compile(
    r"(^|_)(KEY|SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|CREDENTIAL|AUTH|SALT|DSN|PRIVATE|COOKIE|SIGNATURE)S?"
    r"(_|$)",
    re.IGNORECASE,
)
_STRATEGY: Final = ("strategy",)
_RESOURCES: Final = ("replicas", "resources", "egress", "schedules")
_ORIGIN_KEYS: Final = ("domain", "tls", "access", "host", "port")
_DURATIONS: Final = ("watch", "drain_limit", "keep_previous", "max_age", "restore_tested_within")
_MEGABYTE: Final = 1_000_000

Key = tuple[str, str]  # section and name


class Value(NamedTuple):
    """One fact: what is compared, and what is shown of it."""

    compared: Any
    shown: str


class Row(NamedTuple):
    """One fact on both sides, empty where a side has none. ``required`` marks what a release cannot start without."""

    section: str
    key: str
    left: str
    right: str
    differs: bool
    required: bool


Facts = dict[Key, Value]


def compare(left: Facts, right: Facts, required: frozenset[str] = frozenset()) -> list[Row]:
    """Return a row for every fact of either side, by section, then by name."""
    keys = sorted({*left, *right}, key=lambda key: (SECTIONS.index(key[0]), key[1]))
    return [_row(key, left.get(key), right.get(key), required) for key in keys]


def _row(key: Key, left: Value | None, right: Value | None, required: frozenset[str]) -> Row:
    section, name = key
    differs = (left and left.compared) != (right and right.compared)
    needed = section == "secrets" and name in required
    return Row(section, name, left.shown if left else "", right.shown if right else "", differs, needed)


def facts_of(manifest: Manifest, table: Environment, name: str) -> Facts:
    """Return what a manifest and an environment's table say, by section and name."""
    found: Facts = {}
    for variable, value in _variables(manifest, table):
        found[_section_of(variable, value), variable] = variable_value(variable, value)
    for database, about in manifest.databases.items():
        found["database", database] = _told(f"{about.engine}{_place(about.engine, about.env)}")
    for service, about_service in manifest.services.items():
        found |= _resources(service, about_service, table)
    found["other", "tier"] = _told(table.tier_of(name))
    plain = msgspec.to_builtins(table)
    for top, rest in plain.items():
        if top not in ("env", "replicas", "resources", "tier"):
            for path, value in _flat(top, rest):
                found[_section_of_key(top), path] = _told(_word(value) + _unit(path))
    return found


def secret_facts(versions: Mapping[str, int], named: frozenset[str], table: Environment | None = None) -> Facts:
    """Return what is known of secrets: the version of those that are there, and where they come from by the table.

    Others that are named are ``missing``, unless they come from elsewhere: those are fetched by the next rollout.
    """
    sources = table.secrets if table is not None else {}
    found = {}
    for name in sorted(named | set(versions)):
        there = f"version {versions[name]}" if name in versions else ""
        source = f"from a {sources[name].kind}" if name in sources else ""
        found["secrets", name] = _told(", ".join(part for part in (there, source) if part) or "missing")
    return found


def policy_facts(policy: Mapping[str, Any]) -> Facts:
    """Return what an agent demands of an environment's releases."""
    return {
        ("policy", name): _told(_word(value) + _unit(name))
        for name, value in policy.items()
        if value not in (None, [], 0)
    }


def release_facts(version: str, digest: str) -> Facts:
    """Return which release it is."""
    return {("release", "version"): _told(version), ("release", "digest"): Value(digest, short(digest))}


def variable_value(name: str, value: str) -> Value:
    """Return a variable's value; what looks like a secret is compared and not shown, a URL goes without its user."""
    place = endpoint(value)
    if place:
        hidden = " (with credentials)" if "@" in value.partition("://")[2].partition("/")[0] else ""
        return Value(value, f"{place}{hidden}")
    if _PRIVATE.search(name) or looks_secret(name, value):
        return Value(value, MASK)
    return Value(value, value or '""')


def _variables(manifest: Manifest, table: Environment) -> Iterator[tuple[str, str]]:
    shared = {**manifest.env, **table.env}
    yield from shared.items()
    for kind in (manifest.services, manifest.jobs):
        for owner, about in kind.items():
            for name, value in about.env.items():
                # The environment's variables go before the release's own.
                if name not in table.env and shared.get(name) != value:
                    yield f"{name} of {owner}", value


def _section_of(variable: str, value: str) -> str:
    name = variable.partition(" ")[0].upper()
    if _ORIGINS.search(name):
        return "origins"
    if _STORES.search(name):
        return "database"
    return "endpoints" if endpoint(value) else "variables"


def _section_of_key(top: str) -> str:
    for section, keys in (("strategy", _STRATEGY), ("resources", _RESOURCES), ("origins", _ORIGIN_KEYS)):
        if top in keys:
            return section
    return {"databases": "database", "requires": "policy", "backup": "database"}.get(top, "other")


def _place(engine: str, variable: str | None) -> str:
    own = ", a file of its own" if engine == "sqlite" else ""
    return f"{own}, told as {variable}" if variable else own


def _resources(name: str, service: Service, table: Environment) -> Facts:
    replicas = table.replicas.get(name, 1)
    limits = table.resources.get(name, Resources())
    parts = []
    for what in ("cpu", "memory", "pids"):
        value = getattr(limits, what) if getattr(limits, what) is not None else getattr(service.resources, what)
        if value is not None:
            parts.append(f"{what} {value / _MEGABYTE:g} MB" if what == "memory" else f"{what} {value:g}")
    count = f"{replicas} replica{'' if replicas == 1 else 's'}"
    return {("resources", name): _told(", ".join([count, *parts]))}


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(f"{path}.{name}", item)
    else:
        yield path, value


def _unit(path: str) -> str:
    return " s" if path.rpartition(".")[2] in _DURATIONS else ""


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_word(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _told(text: str) -> Value:
    return Value(text, text)
