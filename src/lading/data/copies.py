"""The copies of one SQLite database that one rollout makes: one to rehearse on, one to come back to."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from lading.data import pages
from lading.data.custody import COMPANIONS, beside, copy_online, is_there, replaced, uri_of
from lading.data.revision import revision_in
from lading.model.errors import LadingError
from lading.ports.database import Rehearsed

SHOWN = 4  # findings of a check that are named


class Copies:
    """``live`` is the database; the copy programs may open lies below ``open_root``, the private one below ``root``."""

    def __init__(self, live: Path, root: Path, open_root: Path, rollout: int) -> None:
        self._live = live
        self._folder = root / f"r{rollout}"
        self._open_root = open_root
        self._prefix = f"r{rollout}-"

    @property
    def saved(self) -> Path:
        """The private copy."""
        return self._folder / self._live.name

    @property
    def rehearsal(self) -> Path:
        """The copy that the migration is rehearsed on: the last one that was made."""
        return self._open_root / f"{self._prefix}{self._tries()}" / self._live.name

    def _tries(self) -> int:
        try:
            return int((self._folder / "tries").read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def make(self) -> None:
        """Make both copies, as the database is now; where it is not there yet, the places for them.

        The place to rehearse at is a new one every time: a rehearsal that an agent died over may still go on.
        """
        tries = self._tries() + 1
        self.discard()
        for folder, mode in ((self._folder, 0o700), (self._open_root / f"{self._prefix}{tries}", 0o711)):
            for directory in (folder.parent.parent, folder.parent):
                directory.mkdir(mode=mode, exist_ok=True)
            folder.mkdir(mode=0o700)
        (self._folder / "tries").write_text(str(tries))
        if is_there(self._live):
            copy_online(self._live, self.saved)
            with pages.opened(self.saved) as saved:
                pages.copy_to(saved, self.rehearsal)
            (self._folder / "number").write_text(str(self.rehearsal.lstat().st_ino))

    def judge(self) -> Rehearsed:
        """Look at what came of the rehearsal, in a copy that no program can reach; raise when it is not whole."""
        if not is_there(self.rehearsal):
            return Rehearsed(revision=(), changed=self.saved.exists())
        number = self._folder / "number"
        if number.exists() and self.rehearsal.lstat().st_ino != int(number.read_text()):
            raise replaced(self.rehearsal)
        judged = self._folder / "judged.db"
        for companion in ("", "-wal", "-journal"):
            self._take(companion, judged)
        try:
            revision, broken = _looked_at(judged)
        except sqlite3.DatabaseError as error:
            raise _not_whole([str(error)]) from error
        if broken and len(broken) > self._broken_before():
            raise _not_whole([f"a row of {row[0]} names one of {row[2]} that is not there" for row in broken[:SHOWN]])
        changed = not (self.saved.exists() and pages.is_same(judged, self.saved))
        for companion in ("", *COMPANIONS):
            beside(judged, companion).unlink(missing_ok=True)
        return Rehearsed(revision=revision, changed=changed)

    def _take(self, companion: str, judged: Path) -> None:
        target = beside(judged, companion)
        target.unlink(missing_ok=True)
        try:
            with pages.opened(beside(self.rehearsal, companion)) as source:
                if stat.S_ISREG(os.fstat(source).st_mode):
                    pages.copy_to(source, target)
        except FileNotFoundError:
            return

    def _broken_before(self) -> int:
        if not self.saved.exists():
            return 0
        with closing(sqlite3.connect(uri_of(self.saved, "ro") + "&immutable=1", uri=True)) as connection:
            return len(connection.execute("PRAGMA foreign_key_check").fetchall())

    def discard(self) -> None:
        """Remove the copies; quiet where there are none."""
        for folder in (*self._open_root.glob(f"{self._prefix}*"), self._folder):
            if folder.exists():
                shutil.rmtree(folder)


def _looked_at(judged: Path) -> tuple[tuple[str, ...], list[tuple[str, int, str, int]]]:
    """Return the revision and the broken foreign keys of a copy that is whole, and fold its log into it."""
    with closing(sqlite3.connect(uri_of(judged, "rw"), uri=True)) as connection:
        findings = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({SHOWN})")]
        if findings != ["ok"]:
            raise _not_whole(findings)
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        revision = revision_in(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return revision, broken


def _not_whole(findings: list[str]) -> LadingError:
    return LadingError(
        "migration-failed",
        doing="rehearsing the migration",
        happened=f"it leaves a database that is not whole: {findings[0]}",
        details=tuple(findings[1:]),
    )
