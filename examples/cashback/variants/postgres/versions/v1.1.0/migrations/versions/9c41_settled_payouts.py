"""When the bank settled a payout. The releases before do not know the column, and do not mind it."""

import sqlalchemy as sa
from alembic import op

revision = "9c41"
down_revision = "3f2a"


def upgrade() -> None:
    op.add_column("payouts", sa.Column("settled_at", sa.DateTime()))
