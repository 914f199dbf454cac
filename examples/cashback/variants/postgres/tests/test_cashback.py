"""What is this variant's own: who is paid out by the scheduler, and which databases it takes."""

import pytest
from cashback.database import database_from
from cashback.models import Base, Payout, Wallet
from cashback.payer import FULL, pay_out
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session


def test_full_wallets_are_paid_out_once() -> None:
    """What is full is emptied into a payout; a second round finds nothing, and what is not full is left alone."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add_all([Wallet(owner="anna", balance_cents=FULL + 5), Wallet(owner="ben", balance_cents=FULL - 1)])
        session.flush()
        assert [pay_out(session), pay_out(session)] == [1, 0]
        assert session.scalars(select(Wallet.balance_cents).order_by(Wallet.owner)).all() == [0, FULL - 1]
        assert session.scalars(select(Payout.amount_cents)).all() == [FULL + 5]


def test_another_database_is_refused() -> None:
    """A URL of SQLite ends the program with what is wanted."""
    with pytest.raises(SystemExit, match="PostgreSQL"):
        database_from("sqlite:///cashback.db")
