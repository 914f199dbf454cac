"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "3f2a"
down_revision = None


def upgrade() -> None:
    for name, columns in TABLES.items():
        op.create_table(name, *columns())
        for column in INDEXES.get(name, ()):
            op.create_index(f"ix_{name}_{column}", name, [column])


def _users() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("password", sa.String(), nullable=False),
    ]


def _merchants() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
    ]


def _offers() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("merchant_id", sa.Integer(), sa.ForeignKey("merchants.id"), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("basis_points", sa.Integer(), sa.CheckConstraint("basis_points BETWEEN 1 AND 10000"), nullable=False),
        sa.Column("limit_cents", sa.Integer()),
    ]


def _wallets() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False, unique=True),
        sa.Column("balance_cents", sa.Integer(), sa.CheckConstraint("balance_cents >= 0"), nullable=False),
    ]


def _purchases() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("reference", sa.String(64), nullable=False, unique=True),
        sa.Column("wallet_id", sa.Integer(), sa.ForeignKey("wallets.id"), nullable=False),
        sa.Column("offer_id", sa.Integer(), sa.ForeignKey("offers.id")),
        sa.Column("amount_cents", sa.Integer(), sa.CheckConstraint("amount_cents > 0"), nullable=False),
        sa.Column("cashback_cents", sa.Integer(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    ]


def _payouts() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("wallet_id", sa.Integer(), sa.ForeignKey("wallets.id"), nullable=False),
        sa.Column("amount_cents", sa.Integer(), sa.CheckConstraint("amount_cents > 0"), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
    ]


TABLES = {
    "users": _users,
    "merchants": _merchants,
    "offers": _offers,
    "wallets": _wallets,
    "purchases": _purchases,
    "payouts": _payouts,
}
INDEXES = {"offers": ["merchant_id"], "purchases": ["wallet_id"], "payouts": ["wallet_id"]}
