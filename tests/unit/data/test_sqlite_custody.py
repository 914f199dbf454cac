"""A SQLite database in custody, and its copies: what SQLite and programs may do meanwhile."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from lading.data import pages
from lading.data.custody import SqliteCustody
from lading.data.sqlite import SqliteDatabases
from lading.model.errors import LadingError
from lading.model.manifest import Database

MAIN = ("shop", "stage", "main")
SQLITE = Database(engine="sqlite", env="DATABASE_URL")
MODES = ("wal", "delete")

# Dies in the middle of a transaction that has reached the disk.
DYING = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.execute("UPDATE rows SET row = hex(randomblob(400))")
os.kill(os.getpid(), signal.SIGKILL)
"""


class House:
    def __init__(self, root: Path, mode: str = "wal") -> None:
        self.databases = SqliteDatabases(root)
        self.databases.provide(*MAIN, SQLITE)
        self.file = self.databases.place(*MAIN)
        self.do(f"PRAGMA journal_mode = {mode}", "CREATE TABLE rows (id INTEGER PRIMARY KEY, row TEXT)")
        self.do("BEGIN", *["INSERT INTO rows (row) VALUES (hex(randomblob(400)))"] * 500, "COMMIT")

    def do(self, *statements: str) -> None:
        with self.connected() as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.file, isolation_level=None, timeout=0.1)) as connection:
            yield connection

    def rows(self) -> list[tuple[int, str]]:
        with self.connected() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute("SELECT id, row FROM rows ORDER BY id").fetchall()

    def custody(self) -> SqliteCustody:
        place = self.databases.custody(*MAIN, 7)
        return SqliteCustody(Path(place.live), Path(place.saved))

    def saved(self) -> SqliteCustody:
        custody = self.custody()
        custody.prepare()
        with custody.writing_shut(1.0):
            custody.save(5.0)
        return custody


@pytest.fixture(params=MODES)
def house(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return House(tmp_path, request.param)


def test_a_writer_is_waited_for_and_then_said(house: House) -> None:
    """While somebody is within a transaction there is no moment to freeze them; after the time it is given up."""
    with house.connected() as writer:
        writer.execute("BEGIN IMMEDIATE")
        with (
            pytest.raises(LadingError, match="no moment without a writer") as caught,
            house.custody().writing_shut(0.1),
        ):
            raise AssertionError("got in")
        assert caught.value.code == "database-failed"
        writer.rollback()
        with house.custody().writing_shut(0.1), pytest.raises(sqlite3.OperationalError):
            writer.execute("BEGIN IMMEDIATE")
        writer.execute("BEGIN IMMEDIATE")


def test_readers_hold_no_lock_that_counts(tmp_path: Path) -> None:
    """With a write-ahead log readers go on; without one they are kept out, since they would be frozen with a lock."""
    house = House(tmp_path / "wal", "wal")
    with house.connected() as reader, house.custody().writing_shut(0.1):
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (500,)
    house = House(tmp_path / "delete", "delete")
    with house.connected() as reader, house.custody().writing_shut(0.1), pytest.raises(sqlite3.OperationalError):
        reader.execute("SELECT count(*) FROM rows").fetchone()


def test_a_lock_is_kept_while_files_are_read(house: House) -> None:
    """Reading the files to save them drops none of the locks that this process holds on them."""
    custody = house.custody()
    custody.prepare()
    with custody.writing_shut(1.0):
        custody.save(5.0)
        probe = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0.1).execute('BEGIN IMMEDIATE')"
        done = subprocess.run([sys.executable, "-c", probe, str(house.file)], capture_output=True, text=True)
        assert "database is locked" in done.stderr


def test_only_what_differs_is_written(house: House) -> None:
    """The copy made before the hold is brought up to date, not made anew."""
    custody = house.saved()
    house.do("UPDATE rows SET row = 'x' WHERE id = 250", "PRAGMA wal_checkpoint(TRUNCATE)")
    with (
        pages.opened(house.file) as live,
        pages.opened(Path(house.databases.custody(*MAIN, 7).saved), os.O_RDWR) as copy,
    ):
        written = pages.make_same(live, copy)
        assert 0 < written <= 4 * pages.PIECE < os.fstat(live).st_size
    house.do("DELETE FROM rows")
    custody.restore()
    assert len(house.rows()) == 500


def test_what_takes_too_long_to_save_is_not_saved(house: House) -> None:
    """A database too large for the time that others may stand still is said to be so; nothing was touched."""
    custody = house.custody()
    custody.prepare()
    with pytest.raises(LadingError, match="too large to be saved"), custody.writing_shut(1.0):
        custody.save(-1.0)
    assert len(house.rows()) == 500


def test_a_migration_killed_within_a_transaction(house: House) -> None:
    """Its half-written transaction, in whatever file, is gone after the restore."""
    before = house.rows()
    custody = house.saved()
    subprocess.run([sys.executable, "-c", DYING, str(house.file)], check=False)
    house.do("PRAGMA user_version = 5")
    custody.restore()
    assert house.rows() == before


def test_readers_of_before_see_what_was_restored(tmp_path: Path) -> None:
    """A reader that stood still within a transaction keeps its state; with its next one it sees the restored data."""
    house = House(tmp_path, "wal")
    with house.connected() as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (500,)
        custody = house.saved()
        house.do("ALTER TABLE rows ADD COLUMN more TEXT", "DELETE FROM rows WHERE id > 100")
        custody.restore()
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (500,)
        reader.execute("COMMIT")
        reader.execute("INSERT INTO rows (row) VALUES ('after')")
        assert reader.execute("SELECT * FROM rows WHERE id = 501").fetchone() == (501, "after")
    assert len(house.rows()) == 501


def test_another_file_in_its_place_is_refused_and_undone(house: House) -> None:
    """Programs hold the file open: one that a migration puts in its place is refused, and the very file comes back."""
    before, number = house.rows(), house.file.stat().st_ino
    custody = house.saved()
    other = house.file.with_name("other.db")
    house.do(f"VACUUM INTO '{other}'")
    other.replace(house.file)
    with pytest.raises(LadingError, match="another file in the database's place"):
        custody.secure()
    custody.restore()
    assert house.file.stat().st_ino == number
    assert house.rows() == before


def test_a_link_is_not_followed(house: House, tmp_path: Path) -> None:
    """What a program put in the database's place to lead elsewhere is not opened, copied or written to."""
    elsewhere = tmp_path / "elsewhere.db"
    house.file.rename(elsewhere)
    house.file.symlink_to(elsewhere)
    with pytest.raises(LadingError, match="no plain file"):
        house.custody().prepare()
    with pytest.raises(LadingError, match="no plain file"), house.custody().writing_shut(0.1):
        raise AssertionError("got in")
    assert house.databases.revision(*MAIN) == ()


# copies


def rehearsed(house: House, *statements: str) -> Path:
    url = house.databases.rehearse(*MAIN, SQLITE, 7)
    file = Path(url.split(":///")[1])
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return file


def test_a_copy_is_judged_with_its_log(house: House) -> None:
    """What lies in a write-ahead log that nobody folded in counts, and tables of migration tools are read."""
    file = rehearsed(house)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9c41')")
        judged = house.databases.judge(*MAIN, 7)
    assert (judged.revision, judged.changed) == (("9c41",), True)


def test_a_transaction_that_changes_nothing_is_no_change(house: House) -> None:
    """The counters that SQLite keeps in the file do not count."""
    rehearsed(house, "BEGIN IMMEDIATE", "UPDATE rows SET row = row WHERE id = 1", "COMMIT")
    assert not house.databases.judge(*MAIN, 7).changed


def test_a_copy_that_is_not_whole_is_refused(house: House) -> None:
    """A damaged copy does not pass, nor one whose foreign keys the migration broke; what was broken before does."""
    file = rehearsed(house)
    with file.open("r+b") as written:
        written.seek(8192)
        written.write(b"\xa5" * 4096)
    with pytest.raises(LadingError, match="not whole"):
        house.databases.judge(*MAIN, 7)
    house.do("CREATE TABLE parts (id INTEGER PRIMARY KEY, row INTEGER REFERENCES rows (id))")
    rehearsed(house, "INSERT INTO parts (row) VALUES (9999)")
    with pytest.raises(LadingError, match="names one of rows that is not there") as caught:
        house.databases.judge(*MAIN, 7)
    assert caught.value.code == "migration-failed"
    house.do("INSERT INTO parts (row) VALUES (9999)")
    rehearsed(house, "CREATE TABLE more (id INTEGER)")
    assert house.databases.judge(*MAIN, 7).changed


def test_a_copy_whose_file_was_replaced_is_refused(house: House) -> None:
    """What would not be seen by programs that run is known at the rehearsal."""
    file = rehearsed(house)
    other = file.with_name("other.db")
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"VACUUM INTO '{other}'")
    other.replace(file)
    with pytest.raises(LadingError, match="another file in the database's place"):
        house.databases.judge(*MAIN, 7)


def test_copies_are_private(house: House) -> None:
    """The copy to come back to is for its owner alone, and so is the place of the other."""
    file = rehearsed(house)
    saved = Path(house.databases.custody(*MAIN, 7).saved)
    assert saved.parent.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0
    house.databases.discard(*MAIN, 7)
    assert not saved.parent.exists()
    assert not file.parent.exists()


def test_revisions_of_tools(house: House) -> None:
    """Alembic's heads, or the last migration that was applied of each Django app."""
    house.do("CREATE TABLE django_migrations (id INTEGER PRIMARY KEY, app TEXT, name TEXT)")
    for app, name in (("shop", "0002_b"), ("auth", "0001_a"), ("shop", "0010_a")):
        house.do(f"INSERT INTO django_migrations (app, name) VALUES ('{app}', '{name}')")
    assert house.databases.revision(*MAIN) == ("auth.0001_a", "shop.0010_a")
    house.do("CREATE TABLE alembic_version (version_num TEXT)", "INSERT INTO alembic_version VALUES ('b'), ('a')")
    assert house.databases.revision(*MAIN) == ("a", "b")
