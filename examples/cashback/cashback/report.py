"""A job: sum up the wallets and check that they agree with what was bought and paid out.

``python -m cashback.report --out DIR`` writes ``DIR/summary.json``; without ``--out`` into ``LADING_OUTPUTS``.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from cashback import RELEASE
from cashback.database import Database, database_from
from cashback.models import Payout, Purchase, Wallet


def summary(database: Database) -> dict[str, Any]:
    """Return the sums, all of one state of the database; ``status`` is ``ok`` when they agree."""
    with database.reading() as session:
        wallets, balance = session.execute(
            select(func.count(), func.coalesce(func.sum(Wallet.balance_cents), 0)).select_from(Wallet)
        ).one()
        purchases, earned = session.execute(
            select(func.count(), func.coalesce(func.sum(Purchase.cashback_cents), 0)).select_from(Purchase)
        ).one()
        payouts, paid = session.execute(
            select(func.count(), func.coalesce(func.sum(Payout.amount_cents), 0)).select_from(Payout)
        ).one()
    return {
        "status": "ok" if balance == earned - paid else "mismatch",
        "release": RELEASE,
        "wallets": wallets,
        "balance_cents": balance,
        "purchases": purchases,
        "cashback_cents": earned,
        "payouts": payouts,
        "paid_cents": paid,
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the summary; the exit status is 1 when the sums do not agree."""
    parser = argparse.ArgumentParser(prog="python -m cashback.report", description="Sum up the wallets.")
    parser.add_argument("--out", type=Path, default=os.environ.get("LADING_OUTPUTS"), help="where summary.json goes")
    given = parser.parse_args(arguments)
    if given.out is None:
        parser.error("say where with --out DIR (or LADING_OUTPUTS)")
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        parser.error("the environment variable DATABASE_URL is missing or empty")
    result = summary(database_from(url))
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    half = out / "summary.json.part"
    half.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    half.replace(out / "summary.json")
    sys.stdout.write(f"{result['wallets']} wallets, {result['balance_cents']} cents, {result['status']}\n")
    return 0 if result["status"] == "ok" else 1


if __name__ == "__main__":
    sys.exit(main())
