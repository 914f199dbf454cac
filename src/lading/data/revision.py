"""What migration tools noted in a SQLite database about what was applied."""

import sqlite3

ALEMBIC = ("alembic_version", "SELECT version_num FROM alembic_version")
DJANGO = (
    "django_migrations",
    "SELECT app || '.' || name FROM django_migrations WHERE id IN (SELECT max(id) FROM django_migrations GROUP BY app)",
)


def revision_in(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Return what is noted as applied, sorted: Alembic's revisions, else the last of each Django app, else nothing."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, query in (ALEMBIC, DJANGO):
        if table in tables:
            return tuple(sorted(str(name) for (name,) in connection.execute(query)))
    return ()
