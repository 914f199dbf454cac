"""What every Servers adapter must keep, as tests: subclass it and give a ``world`` fixture."""

from typing import Protocol

import pytest

from lading.model.errors import LadingError
from lading.model.secret import Secret
from lading.ports.server import Servers


class World(Protocol):
    """A server with an empty database, and a way to disturb it."""

    @property
    def servers(self) -> Servers:
        """The adapter under test."""
        ...

    @property
    def url(self) -> Secret:
        """Where the database is."""
        ...

    @property
    def admin(self) -> Secret:
        """The same database as whoever may do everything on its server reaches it."""
        ...

    @property
    def wrong(self) -> Secret:
        """The same database with a password that is not its."""
        ...

    def note(self, *revisions: str) -> None:
        """Note revisions as Alembic does."""
        ...

    def leave_dump(self) -> str:
        """Leave a dump in a run's outputs and return that directory."""
        ...


class ServersConformance:
    """The suite that each adapter runs."""

    def test_one_that_answers_has_no_trouble(self, world: World) -> None:
        """Who can log in is told nothing; whose password is wrong is told so, and the password is not."""
        assert world.servers.trouble(world.url) == ""
        trouble = world.servers.trouble(world.wrong)
        assert trouble
        assert "guess-4711" not in trouble

    def test_a_server_is_handed_over_once(self, world: World) -> None:
        """Programs get in as before, and asked again nothing is left to do; whom nobody lets in is told so."""
        assert world.servers.hand_over(world.url, world.admin) == ""
        assert world.servers.hand_over(world.url, world.admin) == ""
        assert world.servers.trouble(world.url) == ""
        with pytest.raises(LadingError) as raised:
            world.servers.hand_over(world.wrong, world.wrong)
        assert raised.value.code == "database-failed"
        assert "guess-4711" not in str(raised.value)

    def test_the_revision_is_what_was_noted(self, world: World) -> None:
        """Nothing first, then what a migration tool wrote down, in order."""
        assert world.servers.revision(world.url) == ()
        world.note("9c41", "3f2a")
        assert world.servers.revision(world.url) == ("3f2a", "9c41")

    def test_who_cannot_log_in_learns_nothing(self, world: World) -> None:
        """Revision and size are refused, and the refusal holds no password."""
        for ask in (world.servers.revision, world.servers.size):
            with pytest.raises(LadingError, match=r".") as raised:
                ask(world.wrong)
            assert raised.value.code == "database-failed"
            assert "guess-4711" not in str(raised.value)

    def test_a_database_has_a_size(self, world: World) -> None:
        """It is a number of bytes, not less than nothing."""
        assert world.servers.size(world.url) >= 0

    def test_a_dump_is_kept_once(self, world: World) -> None:
        """It is taken out of the outputs; asked again for the same rollout, the same is told."""
        outputs = world.leave_dump()
        kept = world.servers.keep("shop", "stage", "main", 7, outputs)
        assert world.servers.keep("shop", "stage", "main", 7, outputs) == kept
        with pytest.raises(LadingError) as raised:
            world.servers.keep("shop", "stage", "main", 8, outputs)
        assert raised.value.code == "database-failed"
