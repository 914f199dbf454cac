from alembic import context

from app.database import DATABASE_URL, engine

context.configure(url=DATABASE_URL)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
