"""What ``alembic`` works on: the database that DATABASE_URL names."""

import os

from alembic import context
from sqlalchemy import create_engine, pool

# Another release may be writing: wait for it instead of failing.
engine = create_engine(os.environ["DATABASE_URL"], poolclass=pool.NullPool, connect_args={"timeout": 10.0})
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
