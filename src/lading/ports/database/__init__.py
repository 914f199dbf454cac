"""Where the data lies."""

from typing import Protocol

from lading.model.manifest import Database


class Databases(Protocol):
    """Provides the databases of environments. Errors are ``LadingError("database-failed")``."""

    def provide(self, project: str, environment: str, name: str, database: Database) -> str:
        """See that the database is there and usable and return its URL; never create over what exists. Idempotent.

        Two environments never get the same database.
        """
        ...

    def check(self, project: str, environment: str, name: str, database: Database) -> None:
        """Raise when the database is there and not whole (SQLite: ``quick_check``); quiet when it is not there yet."""
        ...
