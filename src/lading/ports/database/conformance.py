"""What every adapter of Databases must do, as tests."""

from typing import Protocol

from lading.model.errors import LadingError
from lading.model.manifest import Database
from lading.ports.database import Custody, Databases, Place


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

    def custody_of(self, place: Place) -> Custody:
        """Take a database into custody."""
        ...


MAIN = ("shop", "stage", "main")
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

    def test_a_copy_is_its_own(self, world: World) -> None:
        """What is done to the copy is seen there, and not in the database; it is told to have changed."""
        url = self._filled(world)
        copy = world.databases.rehearse(*MAIN, SQLITE, 7)
        world.write(copy, "two")
        assert (world.rows(url), world.rows(copy)) == (["one"], ["one", "two"])
        assert world.databases.judge(*MAIN, 7).changed
        assert world.rows(url) == ["one"]

    def test_a_copy_that_nothing_was_done_to_is_the_same(self, world: World) -> None:
        """Reading changes nothing; nor does a database that is not there, and stays so."""
        world.databases.provide(*MAIN, SQLITE)
        world.databases.rehearse(*MAIN, SQLITE, 6)
        assert not world.databases.judge(*MAIN, 6).changed
        self._filled(world)
        copy = world.databases.rehearse(*MAIN, SQLITE, 7)
        assert world.rows(copy) == ["one"]
        judged = world.databases.judge(*MAIN, 7)
        assert not judged.changed
        assert judged.revision == world.databases.revision(*MAIN) == ()

    def test_the_copy_of_nothing_may_be_filled(self, world: World) -> None:
        """Where there is no database yet, the copy's place is empty, and what makes one there has changed it."""
        url = world.databases.provide(*MAIN, SQLITE)
        copy = world.databases.rehearse(*MAIN, SQLITE, 7)
        world.write(copy, "one")
        assert world.databases.judge(*MAIN, 7).changed
        assert world.databases.size(*MAIN) == 0
        assert copy != url

    def test_another_copy_is_at_another_place(self, world: World) -> None:
        """A second rehearsal begins anew, and whoever goes on with the first one disturbs it as little as the data."""
        self._filled(world)
        first = world.databases.rehearse(*MAIN, SQLITE, 7)
        second = world.databases.rehearse(*MAIN, SQLITE, 7)
        assert first != second
        assert not world.databases.judge(*MAIN, 7).changed

    def test_discarded_copies_are_gone(self, world: World) -> None:
        """Discarding removes a rollout's copies and nothing else, also when there are none."""
        url = self._filled(world)
        for _ in range(2):
            world.databases.rehearse(*MAIN, SQLITE, 7)
            world.databases.discard(*MAIN, 7)
            world.databases.discard(*MAIN, 7)
        assert world.rows(url) == ["one"]

    def test_a_restored_database_is_as_it_was_saved(self, world: World) -> None:
        """What was written before it was saved is there, what came after is not; restoring again changes nothing."""
        url = self._filled(world)
        custody = self._custody(world)
        custody.prepare()
        world.write(url, "two")
        with custody.writing_shut(1.0):
            custody.save(5.0)
        world.write(url, "three")
        for _ in range(2):
            self._custody(world).restore()
            assert world.rows(url) == ["one", "two"]
        world.write(url, "four")
        assert world.rows(url) == ["one", "two", "four"]

    def test_what_was_not_there_is_not_there_again(self, world: World) -> None:
        """Restoring where there was no database leaves none."""
        url = world.databases.provide(*MAIN, SQLITE)
        custody = self._custody(world)
        custody.prepare()
        with custody.writing_shut(1.0):
            custody.save(5.0)
        world.write(url, "one")
        assert world.databases.size(*MAIN) > 0
        self._custody(world).restore()
        assert world.databases.size(*MAIN) == 0

    def test_what_is_kept_is_secured(self, world: World) -> None:
        """A database that was changed in custody stays as it is."""
        url = self._filled(world)
        custody = self._custody(world)
        custody.prepare()
        with custody.writing_shut(1.0):
            custody.save(5.0)
        world.write(url, "two")
        custody.secure()
        assert world.rows(url) == ["one", "two"]

    def _filled(self, world: World) -> str:
        url = world.databases.provide(*MAIN, SQLITE)
        world.write(url, "one")
        return url

    def _custody(self, world: World) -> Custody:
        return world.custody_of(world.databases.custody(*MAIN, 7))


def _refusal(world: World, name: str) -> LadingError | None:
    try:
        world.databases.check("shop", "stage", name, SQLITE)
    except LadingError as error:
        return error
    return None
