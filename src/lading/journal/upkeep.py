"""Keeping the journal sound and small: check, copy, prune."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from lading.journal.file import OWNER_ONLY, JournalFile, explain, reached
from lading.model.errors import LadingError


class Upkeep(JournalFile):
    """Looks after the file."""

    def problems(self) -> tuple[str, ...]:
        """Return what SQLite finds wrong with the file, nothing when it is sound."""
        with self._lock, self._explained("checking"):
            return _problems(self._connection)

    def backup_to(self, path: str | os.PathLike[str]) -> None:
        """Write a copy of the journal as it is now to ``path``, one file, checked before it takes that name.

        Writers are not held up. A file at ``path`` is replaced by the finished copy only. Raise ``journal`` when the
        copy does not pass its check, ``no-space`` when it does not fit; then what stood at ``path`` still does.
        """
        target = Path(path)
        half = target.with_name(target.name + ".part")
        try:
            with self._explained("copying"), reached("copying", target):
                os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_TRUNC, OWNER_ONLY))
                self._copy(half)
                _sync(half)
                os.replace(half, target)
                _sync(target.parent)
        finally:
            half.unlink(missing_ok=True)

    def _copy(self, half: Path) -> None:
        # By URI, because a plain path that has gone would be made anew: a backup of nothing, silently.
        there = self.path.resolve().as_uri() + "?mode=rw"
        with closing(sqlite3.connect(there, uri=True)) as source, closing(sqlite3.connect(half)) as copy:
            try:
                source.backup(copy)
                # A copy in WAL mode would leave two more files beside it when it is next read.
                copy.execute("PRAGMA journal_mode = DELETE")
                found = _problems(copy)
            except sqlite3.Error as error:
                raise explain(error, "copying", half) from error
        if found:
            raise LadingError(
                "journal",
                doing=f"copying the journal {self.path} to {half}",
                happened=f"the copy is not sound: {found[0]}",
                now="the copy was thrown away; an earlier copy was not touched",
                hint="check the disk; the journal itself may be damaged",
                details=found[1:],
            )

    def prune_events(self, keep: int) -> int:
        """Remove the oldest events until ``keep`` are left; return how many went.

        Rollouts, their plans and marks stay, and so do all events of unfinished rollouts.
        """
        with self._transaction("pruning") as connection:
            return connection.execute(
                "DELETE FROM events WHERE id <= (SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?)"
                " AND rollout IN (SELECT id FROM rollouts WHERE outcome IS NOT NULL)",
                (keep,),
            ).rowcount

    def prune_runs(self, keep: int) -> int:
        """Remove the oldest runs of each job of each environment until ``keep`` are left; return how many went.

        Runs that have not ended stay, and those whose output and files are still kept.
        """
        newest = (
            "SELECT id FROM (SELECT id, row_number() OVER"
            " (PARTITION BY project, environment, job ORDER BY id DESC) AS n FROM runs) WHERE n <= ?"
        )
        with self._transaction("pruning") as connection:
            return connection.execute(
                "DELETE FROM runs WHERE (ending = 'missed' OR ending IS NOT NULL AND json_extract(value, '$.kept') = 0)"
                f" AND id NOT IN ({newest})",
                (keep,),
            ).rowcount


def _problems(connection: sqlite3.Connection) -> tuple[str, ...]:
    found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        found.append(f"row {row} of {table} names a missing row of {parent}")
    return tuple(found)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
