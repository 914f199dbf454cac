"""Secrets at this agent: values come in, only names and versions go out."""

from collections.abc import Mapping

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.clock import Clock
from lading.ports.journal import Audit, Journal
from lading.ports.secrets import Secrets


class SecretValues:
    """Takes secrets in; every change is audited by name and version."""

    def __init__(self, journal: Journal, secrets: Secrets, clock: Clock) -> None:
        self._journal = journal
        self._secrets = secrets
        self._clock = clock

    def versions(self, project: str, environment: str) -> dict[str, int]:
        """Return the current version of every secret of an environment."""
        return dict(self._secrets.versions(f"{project}/{environment}"))

    def put(self, project: str, environment: str, values: Mapping[str, str], who: str) -> dict[str, int]:
        """Store values and return their versions; raise ``usage`` for a name or value that no program could get."""
        for name, value in values.items():
            _check(environment, name, value)
        key = f"{project}/{environment}"
        versions = dict(self._secrets.put(key, {name: Secret(value) for name, value in values.items()}))
        data = {"environment": key, "versions": versions}
        self._journal.audit(Audit(at=self._clock.now(), who=who, act="secrets set", data=data))
        return versions


def _check(environment: str, name: str, value: str) -> None:
    reason = ""
    if not name.isidentifier() or not name.isascii():
        reason = f"{name!r} is no name of an environment variable"
    elif not value or "\0" in value:
        reason = f"the value of {name} is empty or holds a NUL character"
    if reason:
        raise LadingError(
            "usage",
            doing=f"storing secrets of {environment}",
            happened=reason,
            now="nothing was stored",
            hint="names are letters, digits and underscores: JWT_KEY",
        )
