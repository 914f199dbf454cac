"""PostgreSQL as the agent itself asks it: whether it answers, where its migrations stand, how large it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lading.data import roles
from lading.data.pages import flush, flush_directory
from lading.data.revision import ALEMBIC, DJANGO
from lading.model.errors import LadingError
from lading.model.secret import Secret, redact

WAIT = 3  # seconds a server may take to answer
STATEMENT = 5000  # milliseconds one question may take
KEPT = 5  # dumps of one database

ASKING = "asking a database's server"
UNREADABLE = "its URL cannot be read: in user and password, %, @ and spaces must be written %25, %40 and %20"
ENCODE = "set the secret that holds the URL again, with these percent-encoded"

_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_name IN ('alembic_version', 'django_migrations')"
)


class PostgresServers:
    """``data`` is the directory of all environments' data: dumps lie in ``PROJECT/ENVIRONMENT/dumps/NAME``."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def trouble(self, url: Secret) -> str:
        """Return why nobody can log in; empty when the database answers."""
        try:
            with self._asked(url) as connection:
                connection.execute("SELECT 1")
        except LadingError as error:
            return error.happened
        return ""

    def hand_over(self, url: Secret, admin: Secret) -> str:
        """Give the role of ``url`` its database, by who may do everything on its server."""
        from psycopg.conninfo import conninfo_to_dict

        programs, administrator = (conninfo_to_dict(one.reveal()) for one in (url, admin))
        if self.trouble(admin):
            # As earlier versions made it: the programs' own role may do everything, and makes who does it from now on.
            with self._asked(url) as connection:
                if not roles.may_do_everything(connection):
                    return ""
                roles.make_admin(connection, str(administrator["user"]), str(administrator["password"]))
        with self._asked(admin) as connection:
            return roles.hand_over(connection, str(programs["user"]), str(programs["password"]))

    def revision(self, url: Secret) -> tuple[str, ...]:
        """Return what Alembic or Django noted as applied."""
        with self._asked(url) as connection:
            tables = {name for (name,) in connection.execute(_TABLES)}
            for table, query in (ALEMBIC, DJANGO):
                if table in tables:
                    return tuple(sorted(str(name) for (name,) in connection.execute(query)))
        return ()

    def size(self, url: Secret) -> int:
        """Return the bytes that the server counts."""
        with self._asked(url) as connection:
            return int(connection.execute("SELECT pg_database_size(current_database())").fetchone()[0])

    def keep(self, project: str, environment: str, name: str, rollout: int, outputs: str) -> str:
        """Move the dump to where dumps are kept, and drop the oldest."""
        place = self._data / project / environment / "dumps" / name
        kept, left = place / f"r{rollout}.dump", Path(outputs) / "dump"
        doing = f"keeping a dump of database {name} of {project}/{environment}"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if left.is_symlink() or (not left.is_file() and not kept.is_file()):
                raise LadingError("database-failed", doing=doing, happened=f"{outputs} holds none")
            if left.is_file():
                os.chown(left, os.geteuid(), os.getegid())
                left.chmod(0o600)
                flush(left)
                left.replace(kept)
                flush_directory(place)
            self._drop(place)
        except OSError as error:
            raise LadingError(
                "database-failed", doing=doing, happened=str(error), now="the database is as it was"
            ) from error
        return str(kept)

    def _drop(self, place: Path) -> None:
        for old in sorted(place.glob("r*.dump"), key=lambda path: path.stat().st_mtime, reverse=True)[KEPT:]:
            old.unlink()

    @contextmanager
    def _asked(self, url: Secret) -> Iterator[Any]:
        # Imported where used: an agent without such a database does without.
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        try:
            readable = "@" not in str(conninfo_to_dict(url.reveal()).get("host", ""))
        except (psycopg.ProgrammingError, UnicodeError):
            readable = False
        if not readable:
            # Without the driver's words: they quote the piece that it stumbled over, which may be of the password.
            raise LadingError("database-failed", doing=ASKING, happened=UNREADABLE, hint=ENCODE)
        try:
            with psycopg.connect(
                url.reveal(),
                connect_timeout=WAIT,
                autocommit=True,
                options=f"-c statement_timeout={STATEMENT}",
                application_name="lading",
            ) as connection:
                yield connection
        except psycopg.Error as error:
            # Not chained, and without what could be secret: some messages quote what they were given.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = redact(lines[0] if lines else "no reason given", [url])
            raise LadingError("database-failed", doing=ASKING, happened=said) from None
