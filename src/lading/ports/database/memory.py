"""Databases that are only names, and break when a test says so."""

import threading
from urllib.parse import quote

from lading.model.errors import LadingError
from lading.model.manifest import Database


class MemoryDatabases:
    """Provides a URL for each (project, environment, name); ``damage`` and ``heal`` make one unusable and whole."""

    def __init__(self) -> None:
        self.provided: dict[tuple[str, str, str], str] = {}
        self._damaged: dict[tuple[str, str, str], str] = {}
        self._lock = threading.Lock()

    def provide(self, project: str, environment: str, name: str, database: Database) -> str:
        """See that the database is there and return its URL. Idempotent."""
        with self._lock:
            self._raise_if_damaged(project, environment, name)
            scheme = database.url_scheme or database.engine
            url = f"{scheme}://" + "/".join(quote(part, safe="") for part in (project, environment, name))
            self.provided[project, environment, name] = url
            return url

    def check(self, project: str, environment: str, name: str, database: Database) -> None:  # noqa: ARG002
        """Raise when the database was damaged; quiet when it is whole or not there yet."""
        with self._lock:
            self._raise_if_damaged(project, environment, name)

    def damage(self, project: str, environment: str, name: str, reason: str = "disk image is malformed") -> None:
        """Make a database unusable for ``reason``, until it is healed."""
        with self._lock:
            self._damaged[project, environment, name] = reason

    def heal(self, project: str, environment: str, name: str) -> None:
        """Make a damaged database whole again."""
        with self._lock:
            self._damaged.pop((project, environment, name), None)

    def _raise_if_damaged(self, project: str, environment: str, name: str) -> None:
        reason = self._damaged.get((project, environment, name))
        if reason is not None:
            raise LadingError(
                "database-failed",
                doing=f"checking database {name} of {project}/{environment}",
                happened=reason,
                now="the database was not touched",
                hint="restore it from a backup before deploying again",
            )
