"""Merchants, offers, purchases, wallets, payouts."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cashback.context import In
from cashback.models import Base, Merchant, Offer, Payout, Purchase, Wallet

router = APIRouter(prefix="/api/v1")

WHOLE = 10_000  # basis points
Limit = Annotated[int, Query(ge=1, le=10_000)]
After = Annotated[int, Query(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class NewMerchant(BaseModel):
    name: str = Field(min_length=1, max_length=100)


class NewOffer(BaseModel):
    merchant_id: int
    title: str = Field(min_length=1, max_length=100)
    basis_points: int = Field(ge=1, le=WHOLE, description="the share that is given back; 100 is 1 %")
    limit_cents: int | None = Field(default=None, ge=1)


class NewWallet(BaseModel):
    owner: Name


class NewPurchase(BaseModel):
    reference: Name = Field(description="chosen by the client; a second purchase under it is refused with 409")
    amount_cents: int = Field(gt=0, le=10**9)
    owner: Name = "guest"
    offer_id: int | None = None


class NewPayout(BaseModel):
    owner: Name
    amount_cents: int = Field(gt=0, le=10**12)


def plain(row: Base) -> dict[str, Any]:
    """Return a row as JSON-ready data."""
    return {column.name: getattr(row, column.name) for column in row.__table__.columns}


def page(database: In, model: type[Base], limit: int, after: int) -> list[dict[str, Any]]:
    """Return at most ``limit`` rows with an id above ``after``, in the order of their ids."""
    key = model.__table__.columns["id"]
    with database.reading() as session:
        rows: Sequence[Base] = session.scalars(select(model).where(key > after).order_by(key).limit(limit)).all()
        return [plain(row) for row in rows]


def cashback_of(offer: Offer | None, amount_cents: int) -> int:
    """Return what a purchase gives back, rounded down, at most the offer's limit."""
    if offer is None:
        return 0
    share = amount_cents * offer.basis_points // WHOLE
    return share if offer.limit_cents is None else min(share, offer.limit_cents)


def wallet_of(session: Session, owner: str) -> Wallet:
    """Return the owner's wallet, a new one if there is none."""
    wallet = session.scalar(select(Wallet).where(Wallet.owner == owner))
    if wallet is None:
        wallet = Wallet(owner=owner, balance_cents=0)
        session.add(wallet)
        session.flush()
    return wallet


def add(database: In, row: Base, conflict: str) -> dict[str, Any]:
    """Store a row and return it; answer 409 when it breaks a constraint."""
    try:
        with database.writing() as session:
            session.add(row)
            session.flush()
            return plain(row)
    except IntegrityError as error:
        raise HTTPException(409, conflict) from error


@router.post("/merchants", status_code=201)
def create_merchant(new: NewMerchant, database: In) -> dict[str, Any]:
    return add(database, Merchant(name=new.name), f"there is a merchant {new.name}")


@router.get("/merchants")
def list_merchants(database: In, limit: Limit = 100, after: After = 0) -> list[dict[str, Any]]:
    return page(database, Merchant, limit, after)


@router.post("/offers", status_code=201)
def create_offer(new: NewOffer, database: In) -> dict[str, Any]:
    return add(database, Offer(**new.model_dump()), f"there is no merchant {new.merchant_id}")


@router.get("/offers")
def list_offers(database: In, limit: Limit = 100, after: After = 0) -> list[dict[str, Any]]:
    return page(database, Offer, limit, after)


@router.post("/wallets", status_code=201)
def create_wallet(new: NewWallet, database: In) -> dict[str, Any]:
    return add(database, Wallet(owner=new.owner, balance_cents=0), f"{new.owner} has a wallet")


@router.get("/wallets")
def list_wallets(database: In, limit: Limit = 100, after: After = 0) -> list[dict[str, Any]]:
    return page(database, Wallet, limit, after)


@router.post("/purchases", status_code=201)
def create_purchase(new: NewPurchase, database: In) -> dict[str, Any]:
    """Record a purchase and credit its cashback, both or neither; a reference is taken once."""
    try:
        with database.writing() as session:
            return plain(_bought(session, new))
    except IntegrityError as error:
        raise HTTPException(409, f"there is a purchase {new.reference}") from error


def _bought(session: Session, new: NewPurchase) -> Purchase:
    offer = session.get(Offer, new.offer_id) if new.offer_id is not None else None
    if offer is None and new.offer_id is not None:
        raise HTTPException(404, f"there is no offer {new.offer_id}")
    wallet = wallet_of(session, new.owner)
    cashback = cashback_of(offer, new.amount_cents)
    wallet.balance_cents += cashback  # no other writer is between: the transaction holds the database from its start
    purchase = Purchase(
        reference=new.reference,
        wallet_id=wallet.id,
        offer_id=new.offer_id,
        amount_cents=new.amount_cents,
        cashback_cents=cashback,
    )
    session.add(purchase)
    session.flush()
    return purchase


@router.get("/purchases")
def list_purchases(database: In, limit: Limit = 100, after: After = 0) -> list[dict[str, Any]]:
    return page(database, Purchase, limit, after)


@router.get("/purchases/{reference}")
def read_purchase(reference: str, database: In) -> dict[str, Any]:
    with database.reading() as session:
        purchase = session.scalar(select(Purchase).where(Purchase.reference == reference))
        if purchase is None:
            raise HTTPException(404, f"there is no purchase {reference}")
        return plain(purchase)


@router.post("/payouts", status_code=201)
def create_payout(new: NewPayout, database: In) -> dict[str, Any]:
    """Take money out of a wallet; never more than is in it."""
    with database.writing() as session:
        wallet = session.scalar(select(Wallet).where(Wallet.owner == new.owner))
        if wallet is None:
            raise HTTPException(404, f"{new.owner} has no wallet")
        if wallet.balance_cents < new.amount_cents:
            raise HTTPException(409, f"{new.owner} has {wallet.balance_cents} cents")
        wallet.balance_cents -= new.amount_cents
        payout = Payout(wallet_id=wallet.id, amount_cents=new.amount_cents)
        session.add(payout)
        session.flush()
        return plain(payout)


@router.get("/payouts")
def list_payouts(database: In, limit: Limit = 100, after: After = 0) -> list[dict[str, Any]]:
    return page(database, Payout, limit, after)
