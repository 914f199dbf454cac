"""Where the data lies."""

from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from lading.model.manifest import Database


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One database, and where a copy of it is kept while it is migrated, in the words of the adapter that gave it."""

    engine: str
    live: str
    saved: str


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration did to the copy: the revision it left there, and whether it changed anything at all."""

    revision: tuple[str, ...]
    changed: bool


class Custody(Protocol):
    """One database in the hands of who migrates it, while whatever else may write to it is frozen.

    The order is: ``prepare``; within ``writing_shut`` freeze, then ``save``; migrate; then ``secure`` what came of it,
    or ``restore``. ``restore`` needs no process that went before: the files say all. Every one may be called again.
    """

    def prepare(self) -> None:
        """Do what takes long before anybody is frozen: a copy that is nearly that of the moment."""
        ...

    def writing_shut(self, seconds: float) -> AbstractContextManager[None]:
        """Let nobody be within a write transaction; raise ``database-failed`` when that cannot be had in time.

        A process that is frozen within it can then hold no lock that a migration or a restore would need.
        """
        ...

    def save(self, seconds: float) -> None:
        """Make the copy that of this very moment, and safe on disk; also that there is no database yet.

        Raise ``database-failed`` when that takes longer than ``seconds``.
        """
        ...

    def restore(self) -> None:
        """Make the database what it was when it was saved, whatever state it is in; raise ``database-failed``."""
        ...

    def secure(self) -> None:
        """Put on disk what the migration left, so that it can be declared finished."""
        ...


class Databases(Protocol):
    """Provides the databases of environments. Errors are ``LadingError("database-failed")``.

    Copies are made for one ``rollout`` (its number) and are as private as what they are copies of.
    """

    def provide(self, project: str, environment: str, name: str, database: Database) -> str:
        """See that the database is there and usable and return its URL; never create over what exists. Idempotent.

        Two environments never get the same database.
        """
        ...

    def check(self, project: str, environment: str, name: str, database: Database) -> None:
        """Raise when the database is there and not whole (SQLite: ``quick_check``); quiet when it is not there yet."""
        ...

    def size(self, project: str, environment: str, name: str) -> int:
        """Return how many bytes one copy of the database takes now; 0 when it is not there yet."""
        ...

    def revision(self, project: str, environment: str, name: str) -> tuple[str, ...]:
        """Return what Alembic or Django noted in the database as applied, sorted; empty where nothing was.

        Alembic: its revision (or several); Django: the last that was applied of each app, as ``app.name``.
        """
        ...

    def rehearse(self, project: str, environment: str, name: str, database: Database, rollout: int) -> str:
        """Copy the database as it is now, while it is used, and return the copy's URL; a former copy is replaced.

        A database that is not there yet gives the place of one that is not there yet.
        """
        ...

    def judge(self, project: str, environment: str, name: str, rollout: int) -> Rehearsed:
        """Say what came of the copy; raise when it is not whole any more (SQLite: integrity and foreign keys)."""
        ...

    def custody(self, project: str, environment: str, name: str, rollout: int) -> Place:
        """Return where the database lies and where it is to be saved, for whoever takes it into custody."""
        ...

    def discard(self, project: str, environment: str, name: str, rollout: int) -> None:
        """Remove the rollout's copies; quiet when there are none."""
        ...
