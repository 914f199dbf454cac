"""What every adapter of Databases must do, as tests."""

from typing import Protocol

from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.ports.database import Databases


class World(Protocol):
    """What a subclass's ``world`` fixture gives: the adapter, and a program that uses what it provides."""

    databases: Databases

    def write(self, url: str, row: str) -> None:
        """Write a row as the program does."""
        ...

    def rows(self, url: str) -> list[str]:
        """Return the rows that were written."""
        ...

    def damage(self, project: str, environment: str, name: str, url: str) -> None:
        """Break the database for good."""
        ...


SQLITE = Database(engine="sqlite", env="DATABASE_URL")
HOSTILE = ("../main", "a/b", "a_b", "a b", "A", "a", "..", ".", "", "a.b", "ä", "a" * 300, "a~b", "main.db")


class DatabasesConformance:
    """Promises of Databases; a subclass gives the ``world`` fixture."""

    def test_provided_is_usable(self, world: World) -> None:
        """What is provided can be written and read at once."""
        url = world.databases.provide("shop", "stage", "main", SQLITE)
        world.write(url, "one")
        assert world.rows(url) == ["one"]
        world.databases.check("shop", "stage", "main", SQLITE)

    def test_providing_again_changes_nothing(self, world: World) -> None:
        """A second call gives the same database with all that is in it."""
        url = world.databases.provide("shop", "stage", "main", SQLITE)
        world.write(url, "one")
        assert world.databases.provide("shop", "stage", "main", SQLITE) == url
        assert world.rows(url) == ["one"]

    def test_nothing_is_shared(self, world: World) -> None:
        """Projects, environments and names, whatever characters they have, never share a database."""
        places = [("shop", "stage", name) for name in HOSTILE]
        places += [("shop", name, "main") for name in HOSTILE]
        places += [(name, "stage", "main") for name in HOSTILE]
        urls = [world.databases.provide(*place, SQLITE) for place in places]
        assert len(set(urls)) == len(set(places))

    def test_not_there_yet_is_fine(self, world: World) -> None:
        """Checking a database that nobody has written yet is quiet."""
        world.databases.check("shop", "stage", "main", SQLITE)
        world.databases.provide("shop", "stage", "main", SQLITE)
        world.databases.check("shop", "stage", "main", SQLITE)

    def test_damage_is_found(self, world: World) -> None:
        """A damaged database is named by the check, in words that help; the others are as whole as before."""
        url = world.databases.provide("shop", "stage", "main", SQLITE)
        other = world.databases.provide("shop", "stage", "other", SQLITE)
        world.write(url, "one")
        world.write(other, "two")
        world.damage("shop", "stage", "main", url)
        error = _refusal(world, "main")
        assert error is not None
        assert error.code == "database-failed"
        assert "main of shop/stage" in str(error)
        assert error.hint
        assert _refusal(world, "other") is None

    def test_scheme_of_the_manifest(self, world: World) -> None:
        """The URL's scheme is the manifest's where it names one, and the place stays the same."""
        plain = world.databases.provide("shop", "stage", "main", SQLITE)
        driver = Database(engine="sqlite", env="DATABASE_URL", url_scheme="sqlite+aiosqlite")
        assert world.databases.provide("shop", "stage", "main", driver) == plain.replace(
            "sqlite", "sqlite+aiosqlite", 1
        )


def _refusal(world: World, name: str) -> LadingError | None:
    try:
        world.databases.check("shop", "stage", name, SQLITE)
    except LadingError as error:
        return error
    return None
