"""Series and their points in the database, which the entry point has brought up to date."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Engine, create_engine, text


class Series(NamedTuple):
    """A series of points, and how many of them make a season."""

    name: str
    season: int
    points: tuple[float, ...]


class Store:
    """The database."""

    def __init__(self, url: str) -> None:
        # Another release may be migrating, or write at the same moment.
        self._engine: Engine = create_engine(url, connect_args={"timeout": 10.0})

    def close(self) -> None:
        """Let the database go."""
        self._engine.dispose()

    def check(self) -> None:
        """Raise when the tables that this release needs are not there."""
        with self._engine.connect() as connection:
            connection.execute(text("SELECT name, season FROM series LIMIT 1"))

    def names(self) -> list[str]:
        """Return the names of all series, in order."""
        with self._engine.connect() as connection:
            return list(connection.execute(text("SELECT name FROM series ORDER BY name")).scalars())

    def series(self, name: str) -> Series | None:
        """Return a series with its points."""
        with self._engine.connect() as connection:
            found = connection.execute(text("SELECT id, season FROM series WHERE name = :name"), {"name": name}).first()
            if found is None:
                return None
            wanted = text("SELECT value FROM points WHERE series_id = :id ORDER BY position")
            return Series(name, found.season, tuple(connection.execute(wanted, {"id": found.id}).scalars()))

    def put(self, name: str, season: int, points: Sequence[float]) -> None:
        """Replace a series."""
        with self._engine.begin() as connection:
            given: dict[str, Any] = {"name": name, "season": season}
            former = "DELETE FROM points WHERE series_id IN (SELECT id FROM series WHERE name = :name)"
            connection.execute(text(former), given)
            connection.execute(
                text(
                    "INSERT INTO series (name, season) VALUES (:name, :season)"
                    " ON CONFLICT (name) DO UPDATE SET season = excluded.season"
                ),
                given,
            )
            number = connection.execute(text("SELECT id FROM series WHERE name = :name"), given).scalar_one()
            connection.execute(
                text("INSERT INTO points (series_id, position, value) VALUES (:id, :position, :value)"),
                [{"id": number, "position": position, "value": value} for position, value in enumerate(points)],
            )
