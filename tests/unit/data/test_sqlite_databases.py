import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st

from lading.data import sqlite as sqlite_room
from lading.data.sqlite import SqliteDatabases
from lading.model.errors import LadingError
from lading.model.manifest import Database

MAIN = Database(engine="sqlite", env="DATABASE_URL")
WHERE = ("shop", "stage", "main")


@pytest.fixture
def databases(tmp_path: Path) -> SqliteDatabases:
    return SqliteDatabases(tmp_path / "databases")


def test_url_is_what_sqlalchemy_reads(databases: SqliteDatabases) -> None:
    """The URL has four slashes and leads SQLAlchemy to the very file."""
    url = databases.provide(*WHERE, MAIN)
    assert url == f"sqlite:////{str(databases.place(*WHERE)).lstrip('/')}"
    assert url.endswith("/shop/stage/databases/main/main.db")
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE t (x)"))
    engine.dispose()
    assert databases.place(*WHERE).stat().st_size > 0


def test_only_a_private_directory_is_made(databases: SqliteDatabases) -> None:
    """Providing makes a directory for its owner alone, and no file: who writes first makes the database."""
    databases.provide(*WHERE, MAIN)
    directory = databases.place(*WHERE).parent
    assert directory.stat().st_mode & 0o777 == 0o700
    assert list(directory.iterdir()) == []


def test_directories_under_any_umask(databases: SqliteDatabases) -> None:
    """Users of environments may pass to theirs, and enter no other's, whatever the umask; what is there stays so."""
    before = os.umask(0o077)
    try:
        databases.provide(*WHERE, MAIN)
    finally:
        os.umask(before)
    place = databases.place(*WHERE)
    modes = [directory.stat().st_mode & 0o777 for directory in place.parents[:4]]
    assert modes == [0o700, 0o711, 0o700, 0o711]
    place.parents[2].chmod(0o750)
    databases.provide("shop", "stage", "other", MAIN)
    assert place.parents[2].stat().st_mode & 0o777 == 0o750


def test_check_changes_no_byte(databases: SqliteDatabases) -> None:
    """A check of a database in WAL mode leaves its bytes as they were."""
    databases.provide(*WHERE, MAIN)
    place = databases.place(*WHERE)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
    before = place.read_bytes()
    databases.check(*WHERE, MAIN)
    assert place.read_bytes() == before


def test_check_while_the_program_writes(databases: SqliteDatabases, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that its program keeps locked counts as whole."""
    monkeypatch.setattr(sqlite_room, "BUSY_TIMEOUT", 0.05)
    databases.provide(*WHERE, MAIN)
    with closing(sqlite3.connect(databases.place(*WHERE), isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("BEGIN EXCLUSIVE")
        databases.check(*WHERE, MAIN)
        connection.execute("ROLLBACK")


def test_check_of_a_crashed_transaction(databases: SqliteDatabases) -> None:
    """A database with a hot journal counts as whole: its program rolls it back when it opens it next."""
    databases.provide(*WHERE, MAIN)
    place = databases.place(*WHERE)
    with closing(sqlite3.connect(place, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (x)")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t SELECT hex(randomblob(500)) FROM (SELECT 1 UNION SELECT 2)")
        connection.executemany("INSERT INTO t VALUES (hex(randomblob(2000)))", [()] * 50)
        database, journal = place.read_bytes(), Path(f"{place}-journal").read_bytes()
        connection.execute("ROLLBACK")
    place.write_bytes(database)
    Path(f"{place}-journal").write_bytes(journal)
    databases.check(*WHERE, MAIN)
    assert Path(f"{place}-journal").read_bytes() == journal


@pytest.mark.parametrize("content", [b"no database at all, but some text\n" * 40, b"SQLite format 3\0" + b"\1" * 5000])
def test_what_is_no_database_is_named(databases: SqliteDatabases, content: bytes) -> None:
    """A file that is no database is refused with its place, what is still true, and the next step."""
    databases.provide(*WHERE, MAIN)
    place = databases.place(*WHERE)
    place.write_bytes(content)
    with pytest.raises(LadingError) as caught:
        databases.check(*WHERE, MAIN)
    assert caught.value.code == "database-failed"
    assert str(place) in caught.value.happened
    assert caught.value.now
    assert "backup" in caught.value.hint
    assert place.read_bytes() == content


def test_truncated_database_is_found(databases: SqliteDatabases) -> None:
    """A database that lost its tail is found."""
    databases.provide(*WHERE, MAIN)
    place = databases.place(*WHERE)
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (hex(randomblob(2000)))", [()] * 50)
    os.truncate(place, place.stat().st_size // 2)
    with pytest.raises(LadingError, match="not whole"):
        databases.check(*WHERE, MAIN)


@pytest.mark.parametrize("make", [os.mkfifo, lambda place: place.symlink_to("/etc/shadow")], ids=["pipe", "link"])
def test_nothing_is_followed_or_waited_for(databases: SqliteDatabases, make: Callable[[Path], None]) -> None:
    """A program may put a pipe or a link in its database's place: the agent neither waits nor reads elsewhere."""
    databases.provide(*WHERE, MAIN)
    make(databases.place(*WHERE))
    with pytest.raises(LadingError, match="no plain file"):
        databases.check(*WHERE, MAIN)


def test_a_directory_in_its_place(databases: SqliteDatabases) -> None:
    """Something else at the database's place is an error, not a crash."""
    databases.provide(*WHERE, MAIN)
    databases.place(*WHERE).mkdir()
    with pytest.raises(LadingError, match=r"main\.db is not whole"):
        databases.check(*WHERE, MAIN)


def test_root_that_cannot_be_written(tmp_path: Path) -> None:
    """A root that is no directory is named."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LadingError, match="file") as caught:
        SqliteDatabases(tmp_path / "file").provide(*WHERE, MAIN)
    assert caught.value.code == "database-failed"


def test_path_that_no_url_can_hold(tmp_path: Path) -> None:
    """A root that would change the URL's meaning is refused, instead of a database elsewhere."""
    with pytest.raises(LadingError, match="LADING_HOME"):
        SqliteDatabases(tmp_path / "a?b").provide(*WHERE, MAIN)


def test_other_engines_are_refused(databases: SqliteDatabases) -> None:
    """Another engine is refused by name."""
    with pytest.raises(LadingError, match="postgres"):
        databases.provide(*WHERE, Database(engine="postgres"))


@given(st.lists(st.tuples(*[st.text(max_size=80)] * 3), min_size=2, max_size=6, unique=True))
def test_places_are_apart_and_below_the_root(names: list[tuple[str, str, str]]) -> None:
    """Whatever the names are, each has a place of its own, in directories of its own below the root."""
    root = Path("/srv/lading/databases")
    places = [SqliteDatabases(root).place(*each) for each in names]
    assert len(set(places)) == len(places)
    for place in places:
        assert Path(os.path.normpath(place)) == place
        assert place.parents[4] == root
