"""The scheduler within the process: wallets that are full are paid out, by whichever instance comes first."""

import logging
import os
import threading

from cashback.database import Database
from cashback.models import Payout, Wallet
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

FULL = 10_000  # cents from which on a wallet is paid out
EVERY = float(os.environ.get("PAYER_EVERY", "1"))  # seconds


def pay_out(session: Session) -> int:
    """Empty every full wallet and return how many there were."""
    wallets = session.scalars(select(Wallet).where(Wallet.balance_cents >= FULL).order_by(Wallet.id)).all()
    for wallet in wallets:
        session.add(Payout(wallet_id=wallet.id, amount_cents=wallet.balance_cents))
        wallet.balance_cents = 0
    return len(wallets)


class Payer:
    """Pays out at intervals, in a thread of its own, until it is stopped."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="payer")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let what is being paid come to its end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                with self._database.writing() as session:
                    pay_out(session)
            except SQLAlchemyError as error:
                # The database may be restarted; the next round finds what is left.
                log.warning("paying out: %s", type(error).__name__)
