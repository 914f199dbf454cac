from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("create table pages (name text primary key, body text not null)")


def downgrade():
    op.drop_table("pages")
