import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lading.data.custody import custody_of
from lading.data.sqlite import SqliteDatabases
from lading.ports.database import Custody, Place
from lading.ports.database.conformance import DatabasesConformance
from lading.ports.database.memory import Data, MemoryDatabases


class MemoryWorld:
    def __init__(self) -> None:
        self.databases = MemoryDatabases()

    def write(self, url: str, row: str) -> None:
        self.databases.contents.setdefault(url, Data()).rows.append(row)

    def rows(self, url: str) -> list[str]:
        data = self.databases.contents.get(url)
        return data.rows if data is not None else []

    def damage(self, project: str, environment: str, name: str, url: str) -> None:
        self.databases.damage(project, environment, name)

    def custody_of(self, place: Place) -> Custody:
        return self.databases.custody_of(place)


class SqliteWorld:
    def __init__(self, root: Path) -> None:
        self.databases = SqliteDatabases(root)

    def write(self, url: str, row: str) -> None:
        with closing(sqlite3.connect(_path(url))) as connection, connection:
            connection.execute("CREATE TABLE IF NOT EXISTS rows (row TEXT)")
            connection.execute("INSERT INTO rows VALUES (?)", (row,))

    def rows(self, url: str) -> list[str]:
        with closing(sqlite3.connect(_path(url))) as connection:
            return [row for (row,) in connection.execute("SELECT row FROM rows")]

    def damage(self, project: str, environment: str, name: str, url: str) -> None:
        with open(_path(url), "r+b") as file:
            file.seek(4096)
            file.write(b"\xa5" * 4096)

    def custody_of(self, place: Place) -> Custody:
        return custody_of(place)


def _path(url: str) -> str:
    return url.split(":///", 1)[1]


class TestMemoryDatabases(DatabasesConformance):
    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()

    def test_healed_is_whole(self) -> None:
        """A fault that heals leaves the database usable."""
        world = MemoryWorld()
        world.databases.damage("shop", "stage", "main")
        world.databases.heal("shop", "stage", "main")
        self.test_provided_is_usable(world)


class TestSqliteDatabases(DatabasesConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> SqliteWorld:
        return SqliteWorld(tmp_path / "databases")
