"""Find payouts by the bank that settles them. The column was meant to come with it, and was forgotten."""

from alembic import op

revision = "77aa"
down_revision = "9c41"


def upgrade() -> None:
    op.create_index("ix_payouts_bank", "payouts", ["bank"])
