from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("create table notes (id integer primary key, body text not null)")


def downgrade():
    op.drop_table("notes")
