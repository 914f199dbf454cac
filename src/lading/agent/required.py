"""Secrets that a release requires, looked at before anything is touched: missing, empty, placeholder."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lading.model.environment import Configuration, EnvironmentRecord
from lading.model.errors import LadingError
from lading.model.placeholders import placeholder
from lading.model.release import Release
from lading.model.secret import Secret
from lading.model.server import why_no_url
from lading.ports.secrets import Secrets


def check_secrets(
    secrets: Secrets,
    release: Release,
    configuration: Configuration,
    record: EnvironmentRecord,
    examples: Mapping[str, str],
    fresh: Mapping[str, Secret] = {},
) -> None:
    """Raise ``secret-missing``, naming all that is wrong at once and the command that mends each; never a value.

    ``examples`` are the values of the project's ``.env.example``, ``fresh`` those that are not stored yet.
    """
    held = _Held(secrets, record.key, fresh)
    wrong = dict(_wrong(held, release, configuration, examples))
    if not wrong:
        return
    serving = record.serving.release.version if record.serving is not None else "nothing yet"
    width = max(len(name) for name in wrong)
    told = max(len(reason) for reason in wrong.values())
    commands = {name: _command(record.name, name, configuration) for name in wrong}
    raise LadingError(
        "secret-missing",
        doing="refused",
        happened=f"{record.name} lacks what {release.version} requires: {', '.join(wrong)}",
        details=tuple(f"{name:<{width}}  {reason:<{told}}  {commands[name]}" for name, reason in wrong.items()),
        now=f"serving: {serving}, untouched",
        hint=commands[next(iter(wrong))] if len(wrong) == 1 else f"all at once: lading secrets edit {record.name}",
    )


class _Held(NamedTuple):
    """Where the values of an environment's secrets are."""

    secrets: Secrets
    key: str
    fresh: Mapping[str, Secret]

    def value(self, name: str, version: int) -> str:
        """Return a value in plain."""
        found = self.fresh[name] if name in self.fresh else self.secrets.get(self.key, name, version)
        return found.reveal()


def _command(environment: str, name: str, configuration: Configuration) -> str:
    source = configuration.table.secrets.get(name)
    if source is not None:
        return f"give it where it comes from: {source.place}"
    return f"lading secrets set {environment} {name}"


def _wrong(
    held: _Held, release: Release, configuration: Configuration, examples: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    urls = {placed.url for placed in configuration.table.databases.values()}
    for name in dict.fromkeys((*release.manifest.secrets.required, *configuration.table.needed_secrets)):
        version = configuration.secret_versions.get(name)
        if version is None:
            yield name, "it is missing"
            continue
        value = held.value(name, version)
        reason = placeholder(name, value, configuration.tier, examples.get(name, ""))
        if not reason and name in urls:
            reason = why_no_url(value)
        if reason:
            yield name, reason
