"""Secrets that others keep, brought into the agent's own store: every value that was fetched is a version there.

So what follows is the same for all secrets: a rollout pins versions, a rollback finds the one that ran without asking
anybody, and every value is known where something is masked.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from lading.model.environment import EnvironmentRecord
from lading.model.environment_table import Environment
from lading.model.manifest import Manifest
from lading.model.secret import Secret
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal
from lading.ports.secrets import Secrets
from lading.ports.sources import SecretSources


class Known(NamedTuple):
    """The versions of an environment's secrets; ``fresh`` are fetched values that are not stored."""

    versions: Mapping[str, int]
    fresh: Mapping[str, Secret] = {}


class Sourced:
    """Fetches what a release names and its environment gets from elsewhere."""

    def __init__(self, journal: Journal, secrets: Secrets, sources: SecretSources, clock: Clock) -> None:
        self._journal = journal
        self._secrets = secrets
        self._sources = sources
        self._clock = clock

    def take(self, record: EnvironmentRecord, table: Environment, manifest: Manifest, who: str) -> Known:
        """Fetch and store what is new; return the versions. Raise ``secret-source`` with nothing stored."""
        return self.take_named(record.key, table, _named(manifest, table), who)

    def take_named(self, key: str, table: Environment, named: Collection[str], who: str) -> Known:
        """Fetch and store what is new of some secrets of an environment (``project/name``); return all versions."""
        fetched = self._fetch(key, table, named)
        before = self._secrets.versions(key)
        stored = self._secrets.put(key, fetched) if fetched else {}
        changed = {name: version for name, version in stored.items() if before.get(name) != version}
        if changed:
            places = {name: table.secrets[name].kind for name in changed}
            data = {"environment": key, "versions": changed, "from": places}
            self._journal.audit(Audit(at=self._clock.now(), who=who, act="secrets set", data=data))
        return Known({**before, **stored})

    def look(self, record: EnvironmentRecord, table: Environment, manifest: Manifest) -> Known:
        """Fetch and return the versions that there would be, with nothing stored."""
        fetched = self._fetch(record.key, table, _named(manifest, table))
        before = self._secrets.versions(record.key)
        fresh = {name: value for name, value in fetched.items() if not self._is_stored(record, before, name, value)}
        return Known({**before, **{name: before.get(name, 0) + 1 for name in fresh}}, fresh)

    def _fetch(self, key: str, table: Environment, named: Collection[str]) -> Mapping[str, Secret]:
        wanted = {name: source for name, source in table.secrets.items() if name in named}
        return self._sources.fetch(key, wanted) if wanted else {}

    def _is_stored(self, record: EnvironmentRecord, versions: Mapping[str, int], name: str, value: Secret) -> bool:
        return name in versions and self._secrets.get(record.key, name, versions[name]) == value


def _named(manifest: Manifest, table: Environment) -> Collection[str]:
    return {*manifest.secrets.required, *manifest.secrets.optional, *table.needed_secrets}
