"""PostgreSQL through SQLAlchemy. The tables are made by migrations, never by the program."""

from collections.abc import Iterator
from contextlib import contextmanager

from cashback.models import Base
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

POOL_SIZE = 10
WRITERS = 4711  # the lock that writers take in turn


class Database:
    """The database of one process."""

    def __init__(self, url: str) -> None:
        if make_url(url).get_backend_name() != "postgresql":
            raise SystemExit("cashback: DATABASE_URL must be PostgreSQL's, such as postgresql+psycopg://…")
        self.engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_SIZE, pool_pre_ping=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session on one state of the database."""
        with Session(self.engine) as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Give a session that is committed at its end; other writers, of whichever release, wait until then."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITERS})
            yield session

    def problem(self) -> str | None:
        """Return why no request could be served from it now, None when one could."""
        try:
            missing = sorted(set(Base.metadata.tables) - set(inspect(self.engine).get_table_names()))
        except SQLAlchemyError as error:
            return f"unreachable ({type(error).__name__})"
        return f"tables are missing: {', '.join(missing)}" if missing else None


def database_from(url: str) -> Database:
    """Open the database."""
    return Database(url)
