"""Databases that are a few rows each, and break when a test says so."""

import copy
import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.ports.database import Custody, Place, Rehearsed

Names = tuple[str, str, str]


@dataclasses.dataclass
class Data:
    """What is in one database: its rows, and what a migration tool noted."""

    rows: list[str] = dataclasses.field(default_factory=list)
    revision: tuple[str, ...] = ()


class MemoryDatabases:
    """Provides a URL for each (project, environment, name); ``damage`` and ``heal`` make one unusable and whole.

    ``contents`` maps URLs to what is there; a database that nobody wrote has no entry.
    """

    def __init__(self) -> None:
        self.provided: dict[Names, str] = {}
        self.contents: dict[str, Data] = {}
        self._damaged: dict[Names, str] = {}
        self._broken: set[str] = set()
        self._rehearsals: dict[tuple[Names, int], str] = {}
        self._tries = 0
        self._lock = threading.Lock()

    def provide(self, project: str, environment: str, name: str, database: Database) -> str:
        """See that the database is there and return its URL. Idempotent."""
        with self._lock:
            self._raise_if_damaged(project, environment, name)
            scheme = database.url_scheme or database.engine
            url = f"{scheme}://" + _path(project, environment, name)
            self.provided[project, environment, name] = url
            return url

    def check(self, project: str, environment: str, name: str, database: Database) -> None:  # noqa: ARG002
        """Raise when the database was damaged; quiet when it is whole or not there yet."""
        with self._lock:
            self._raise_if_damaged(project, environment, name)

    def size(self, project: str, environment: str, name: str) -> int:
        """Return a thousand bytes a row."""
        data = self.contents.get(self._live(project, environment, name))
        return 1000 * len(data.rows) if data is not None else 0

    def revision(self, project: str, environment: str, name: str) -> tuple[str, ...]:
        """Return the revision that the contents have."""
        data = self.contents.get(self._live(project, environment, name))
        return data.revision if data is not None else ()

    def rehearse(self, project: str, environment: str, name: str, database: Database, rollout: int) -> str:
        """Copy the contents to a URL of their own."""
        url = self.provide(project, environment, name, database)
        with self._lock:
            self._discard((project, environment, name), rollout)
            self._tries += 1
            place = f"{url}~rehearsal-{rollout}-{self._tries}"
            self._rehearsals[(project, environment, name), rollout] = place
            self.copy(url, place)
            return place

    def judge(self, project: str, environment: str, name: str, rollout: int) -> Rehearsed:
        """Compare the copy with the database; raise when a test broke it."""
        url = self._rehearsals[(project, environment, name), rollout]
        if url in self._broken:
            raise _unusable(project, environment, name, "the copy is not whole")
        data, live = self.contents.get(url), self.contents.get(self._live(project, environment, name))
        return Rehearsed(revision=data.revision if data is not None else (), changed=data != live)

    def custody(self, project: str, environment: str, name: str, rollout: int) -> Place:
        """Return the database's URL and one of its own for the copy."""
        live = self._live(project, environment, name)
        return Place(engine="memory", live=live, saved=f"{live}~saved-{rollout}")

    def discard(self, project: str, environment: str, name: str, rollout: int) -> None:
        """Forget the copies."""
        with self._lock:
            self._discard((project, environment, name), rollout)

    def _discard(self, names: Names, rollout: int) -> None:
        place = self._rehearsals.pop((names, rollout), None)
        saved = f"{self._live(*names)}~saved-{rollout}"
        for url in (place, saved, f"{saved}~absent"):
            self.contents.pop(url or "", None)

    def _live(self, project: str, environment: str, name: str) -> str:
        return self.provided.get((project, environment, name), f"sqlite://{_path(project, environment, name)}")

    # what tests and custody do to contents

    def copy(self, url: str, to: str) -> None:
        """Make what is at a URL that of another, also nothing."""
        data = self.contents.get(url)
        if data is None:
            self.contents.pop(to, None)
        else:
            self.contents[to] = copy.deepcopy(data)

    def break_copy(self, url: str) -> None:
        """Let a copy be found not whole."""
        self._broken.add(url)

    def damage(self, project: str, environment: str, name: str, reason: str = "disk image is malformed") -> None:
        """Make a database unusable for ``reason``, until it is healed."""
        with self._lock:
            self._damaged[project, environment, name] = reason

    def heal(self, project: str, environment: str, name: str) -> None:
        """Make a damaged database whole again."""
        with self._lock:
            self._damaged.pop((project, environment, name), None)

    def custody_of(self, place: Place) -> Custody:
        """Return the custody of one of these databases."""
        return MemoryCustody(self, place)

    def _raise_if_damaged(self, project: str, environment: str, name: str) -> None:
        reason = self._damaged.get((project, environment, name))
        if reason is not None:
            raise _unusable(project, environment, name, reason)


class MemoryCustody:
    """Keeps a copy of the contents."""

    def __init__(self, databases: MemoryDatabases, place: Place) -> None:
        self._databases = databases
        self._place = place

    def prepare(self) -> None:
        """Do nothing: copying takes no time here."""

    @contextmanager
    def writing_shut(self, seconds: float) -> Iterator[None]:  # noqa: ARG002
        """Do nothing: nobody writes beside the test."""
        yield

    def save(self, seconds: float) -> None:  # noqa: ARG002
        """Copy the contents, or note that there are none."""
        self._databases.copy(self._place.live, self._place.saved)
        if self._place.live not in self._databases.contents:
            self._databases.contents[f"{self._place.saved}~absent"] = Data()

    def restore(self) -> None:
        """Copy the contents back; raise when nothing was saved."""
        saved = self._place.saved in self._databases.contents
        if not saved and f"{self._place.saved}~absent" not in self._databases.contents:
            raise LadingError("database-failed", doing=f"restoring {self._place.live}", happened="nothing was saved")
        self._databases.copy(self._place.saved, self._place.live)

    def secure(self) -> None:
        """Do nothing: there is no disk."""


def _path(*names: str) -> str:
    return "/".join(quote(name, safe="") for name in names)


def _unusable(project: str, environment: str, name: str, reason: str) -> LadingError:
    return LadingError(
        "database-failed",
        doing=f"checking database {name} of {project}/{environment}",
        happened=reason,
        now="the database was not touched",
        hint="restore it from a backup before deploying again",
    )
