"""Databases that have a server, as the agent itself asks them."""

from typing import Protocol

from lading.model.secret import Secret


class Servers(Protocol):
    """Asks servers of databases. A ``url`` is a secret: it appears in no answer and in no error.

    Errors are ``LadingError("database-failed")``.
    """

    def trouble(self, url: Secret) -> str:
        """Return why nobody could log in now, in the server's own words; empty when the database answers."""
        ...

    def hand_over(self, url: Secret, admin: Secret) -> str:
        """See that the role of ``url`` owns its database and is no superuser; return why it still is one.

        Whoever may do everything on that server has the role and password of ``admin`` from then on: as the server
        was made, or, where the role of ``url`` was made to be that, by giving all it owns to a new one of its name.
        A server is as it was before or handed over whole, at every moment; calling it again changes nothing. Not
        handed over (the answer is not empty) is what others use for too long, and what an administrator made so.
        Sessions that stand go on. Raise as long as neither can log in.
        """
        ...

    def revision(self, url: Secret) -> tuple[str, ...]:
        """Return what Alembic or Django noted in the database as applied, sorted; empty where nothing was.

        Alembic: its revision (or several); Django: the last that was applied of each app, as ``app.name``.
        """
        ...

    def size(self, url: Secret) -> int:
        """Return how many bytes the database takes."""
        ...

    def keep(self, project: str, environment: str, name: str, rollout: int, outputs: str) -> str:
        """Keep the dump that a run left in its outputs as the rollout's, and return where it lies.

        It is as private as what it was made of; of earlier ones the newest stay. When the outputs hold none any more,
        the one that was kept before for this rollout is returned.
        """
        ...
