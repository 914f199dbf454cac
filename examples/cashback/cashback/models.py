"""The tables. Money is in cents, a share of it in basis points (100 = 1 %)."""

from datetime import UTC, datetime

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def utc_now() -> datetime:
    """Return the time as it is stored: UTC, without saying so in every row."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    password: Mapped[str]


class Merchant(Base):
    __tablename__ = "merchants"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)


class Offer(Base):
    __tablename__ = "offers"

    id: Mapped[int] = mapped_column(primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), index=True)
    title: Mapped[str] = mapped_column(String(100))
    basis_points: Mapped[int] = mapped_column(CheckConstraint("basis_points BETWEEN 1 AND 10000"))
    limit_cents: Mapped[int | None]


class Wallet(Base):
    __tablename__ = "wallets"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), unique=True)
    balance_cents: Mapped[int] = mapped_column(CheckConstraint("balance_cents >= 0"), default=0)


class Purchase(Base):
    __tablename__ = "purchases"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(64), unique=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallets.id"), index=True)
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))
    amount_cents: Mapped[int] = mapped_column(CheckConstraint("amount_cents > 0"))
    cashback_cents: Mapped[int]
    created: Mapped[datetime] = mapped_column(DateTime, default=utc_now)


class Payout(Base):
    __tablename__ = "payouts"

    id: Mapped[int] = mapped_column(primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallets.id"), index=True)
    amount_cents: Mapped[int] = mapped_column(CheckConstraint("amount_cents > 0"))
    created: Mapped[datetime] = mapped_column(DateTime, default=utc_now)
