"""SQLite databases: one directory each, below one root, by project, environment and name."""

import errno
import hashlib
import os
import re
import sqlite3
import stat
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lading.data.copies import Copies
from lading.data.custody import beside, is_there, uri_of
from lading.data.revision import revision_in
from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.ports.database import Place, Rehearsed

BUSY_TIMEOUT = 5.0  # seconds a check waits for a lock that the program holds

# Names that are directory names as they stand. "~" is not among their characters: it marks those that were changed.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# What would end or change the path within a URL.
_NOT_IN_URL = re.compile(r"[?#%\s]")

NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

# What SQLite answers while the program itself is at work on the file, or has yet to roll back its last crash.
_IN_USE = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY")


class SqliteDatabases:
    """Gives every database ``root/PROJECT/ENVIRONMENT/databases/NAME/NAME.db``; who writes first makes the file.

    Its directory is its owner's alone (mode 700) and holds nothing but the database and SQLite's own files; a runtime
    may give it to the system user that the environment's programs run as, and see that they can pass to it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def place(self, project: str, environment: str, name: str) -> Path:
        """Return the database's file, whether it is there or not."""
        project, environment, name = map(_directory_name, (project, environment, name))
        return self._root / project / environment / "databases" / name / f"{name}.db"

    def provide(self, project: str, environment: str, name: str, database: Database) -> str:
        """See that the database's directory is there and return its URL; an existing file is not touched."""
        place = self.place(project, environment, name)
        doing = f"providing database {name} of {project}/{environment}"
        if database.engine != "sqlite":
            raise LadingError(
                "database-failed",
                doing=doing,
                happened=f"engine {database.engine} asked of the SQLite databases at {self._root}",
                now="nothing was created",
                hint=f'set engine = "sqlite" in [databases.{name}]',
            )
        if _NOT_IN_URL.search(str(place)):
            raise LadingError(
                "database-failed",
                doing=doing,
                happened=f"{place} cannot stand in a database URL: its path has a space or one of ? # %",
                now="nothing was created",
                hint="move Lading's home to a path without them (LADING_HOME)",
            )
        try:
            self._make_directories(place.parent)
        except OSError as error:
            raise LadingError(
                "database-failed",
                doing=doing,
                happened=f"{error.filename or place.parent}: {error.strerror}",
                now="no database was created or changed",
                hint=f"make {self._root} a directory that the agent may write to",
            ) from error
        return f"{database.url_scheme or 'sqlite'}:///{place}"

    def _make_directories(self, leaf: Path) -> None:
        """Make what is not there yet: passable for the users of environments, an environment's own for it alone."""
        self._root.mkdir(mode=0o711, parents=True, exist_ok=True)
        databases, environment, project = leaf.parents[:3]
        for directory, mode in ((project, 0o711), (environment, 0o700), (databases, 0o711), (leaf, 0o700)):
            _make(directory, mode)

    def check(self, project: str, environment: str, name: str, database: Database) -> None:  # noqa: ARG002
        """Raise when the database is there and ``quick_check`` finds fault with it; it is opened read-only.

        One that a program keeps locked for ``BUSY_TIMEOUT`` seconds, or whose last transaction it has yet to roll back
        after a crash, counts as whole: only its program may say more.
        """
        place = self.place(project, environment, name)
        try:
            if not os.path.lexists(place):
                return
            # Programs may put there what they like: a link or a pipe is not followed, nor waited for.
            plain = stat.S_ISREG(place.lstat().st_mode)
            findings = _quick_check(place) if plain else ["it is no plain file"]
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorname", "") in _IN_USE:
                return
            findings = [str(error)]
        if findings == ["ok"]:
            return
        raise LadingError(
            "database-failed",
            doing=f"checking database {name} of {project}/{environment}",
            happened=f"{place} is not whole: {findings[0]}",
            now="the file was read only, and is as it was",
            hint=f"keep a copy of {place.parent}, then restore the database from a backup",
            details=tuple(findings[1:4]),
        )

    def size(self, project: str, environment: str, name: str) -> int:
        """Return the bytes of the database's file and its write-ahead log."""
        place = self.place(project, environment, name)
        return sum(file.stat().st_size for file in (place, beside(place, "-wal")) if file.is_file())

    def revision(self, project: str, environment: str, name: str) -> tuple[str, ...]:
        """Return what Alembic or Django noted as applied; empty where the file cannot be read now."""
        place = self.place(project, environment, name)
        try:
            if not is_there(place):
                return ()
            with closing(sqlite3.connect(uri_of(place, "ro"), uri=True, timeout=BUSY_TIMEOUT)) as connection:
                return revision_in(connection)
        except (sqlite3.Error, LadingError):
            # What is wrong with it is the check's to say.
            return ()

    def rehearse(self, project: str, environment: str, name: str, database: Database, rollout: int) -> str:
        """Copy the database while it is used and return the copy's URL."""
        copies = self._copies(project, environment, name, rollout)
        with self._explained(f"copying database {name} of {project}/{environment}"):
            copies.make()
        return f"{database.url_scheme or 'sqlite'}:///{copies.rehearsal}"

    def judge(self, project: str, environment: str, name: str, rollout: int) -> Rehearsed:
        """Check the copy (``integrity_check``, foreign keys) and compare it with what it was."""
        with self._explained(f"checking the copy of database {name} of {project}/{environment}"):
            return self._copies(project, environment, name, rollout).judge()

    def custody(self, project: str, environment: str, name: str, rollout: int) -> Place:
        """Return the database's file and that of its private copy."""
        saved = self._copies(project, environment, name, rollout).saved
        return Place(engine="sqlite", live=str(self.place(project, environment, name)), saved=str(saved))

    def discard(self, project: str, environment: str, name: str, rollout: int) -> None:
        """Remove the rollout's copies."""
        with self._explained(f"removing copies of database {name} of {project}/{environment}"):
            self._copies(project, environment, name, rollout).discard()

    def _copies(self, project: str, environment: str, name: str, rollout: int) -> Copies:
        live = self.place(project, environment, name)
        own = live.parents[2]
        return Copies(live, own / "copies" / live.stem, own / "rehearsals" / live.stem, rollout)

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            no_space = isinstance(error, OSError) and error.errno in NO_SPACE
            raise LadingError(
                "no-space" if no_space or "full" in str(error) else "database-failed",
                doing=doing,
                happened=str(error),
                now="the database is as it was",
                hint="free some disk space, then deploy again" if no_space else "lading doctor",
            ) from error


def _make(directory: Path, mode: int) -> None:
    try:
        directory.mkdir()
    except FileExistsError:
        if not directory.is_dir():
            raise
        return
    directory.chmod(mode)  # whatever the umask


def _quick_check(place: Path) -> list[str]:
    uri = f"file:{urllib.parse.quote(str(place))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT)) as connection:
        return [str(row[0]) for row in connection.execute("PRAGMA quick_check(4)")]


def _directory_name(name: str) -> str:
    """Return a directory name for any name; two names never give the same one."""
    if _PLAIN.fullmatch(name):
        return name
    legible = re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:40]
    return f"{legible}~{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
