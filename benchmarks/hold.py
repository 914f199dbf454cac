"""Migrations of a database of 100 MB under load: for how long requests wait, and whether one is lost."""

import json
import sqlite3
import time
from contextlib import closing
from typing import Any

from benchmarks.account import held_against
from benchmarks.cutovers import Load, references
from benchmarks.figures import Figure, at_least, at_most, median, told
from benchmarks.house import House, cashback

FIRST = "v1.3.0"
ENVIRONMENT = "bench"
RUNS = 20
RATE = 220.0  # requests a second; the bar asks for 200
MIX = "fast=0.7,write=0.3"
MEGABYTES = 100
LIMIT = 1.0  # seconds that requests may wait
SETTLE = 2.0  # seconds of load before the first migration
COMMAND = "python -m benchmarks.run bench hold"

MIGRATION = '''"""One more column."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("purchases", sa.Column("note_{revision}", sa.Text()))
'''


def measure(runs: int = RUNS, megabytes: int = MEGABYTES) -> list[dict[str, Any]]:
    """Migrate again and again under load, then hold the answers against the database."""
    with House() as house:
        cashback(house, FIRST)
        versions = [_version(house, number) for number in range(runs)]
        house.add_environment(ENVIRONMENT, watch="200ms", keep_previous="1s")
        house.give_secrets(ENVIRONMENT)
        house.rollout("deploy", ENVIRONMENT, FIRST)
        size = _fill(house, megabytes)
        with Load(house.status(ENVIRONMENT)["url"], house.root, rate=RATE, mix=MIX) as load:
            time.sleep(SETTLE)
            rollouts = [house.rollout("deploy", ENVIRONMENT, version) for version in versions]
        run = json.loads(load.out.read_text())
        compared = held_against(json.loads(load.writes.read_text()), references(house, ENVIRONMENT))
    held = [rollout["held_seconds"] for rollout in rollouts]
    probed = sum(rollout["lost_requests"] for rollout in rollouts)
    return [figure.plain() for figure in figures(run, held, size, compared, probed)]


def _version(house: House, number: int) -> str:
    """Release a version whose migration adds a column, and return its name."""
    before, revision = f"{number:04d}" if number else "9c41", f"{number + 1:04d}"
    text = MIGRATION.format(revision=revision, before=before)
    (house.project / "migrations" / "versions" / f"{revision}_note.py").write_text(text)
    version = f"v1.3.{number + 1}"
    house.git("add", "--all")
    house.git("commit", "--quiet", "--no-verify", "--message", version)
    house.git("tag", version)
    house.lading("release", version)
    return version


def _fill(house: House, megabytes: int) -> float:
    """Fill the environment's database with purchases and return its size in megabytes."""
    file = house.database(ENVIRONMENT)
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        database.execute("INSERT INTO wallets (owner, balance_cents) VALUES ('filler', 0)")
        number, wallet = 0, database.execute("SELECT id FROM wallets WHERE owner = 'filler'").fetchone()[0]
        while _pages(database) < megabytes * 1e6:
            rows = [(f"filler-{number + each:0>50}", wallet) for each in range(10_000)]
            number += len(rows)
            database.executemany(
                "INSERT INTO purchases (reference, wallet_id, amount_cents, cashback_cents, created)"
                " VALUES (?, ?, 1, 0, '2025-06-15 00:00:00.000000')",
                rows,
            )
    with closing(sqlite3.connect(file, timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return _pages(database) / 1e6


def _pages(database: sqlite3.Connection) -> int:
    pages: int = database.execute("PRAGMA page_count").fetchone()[0]
    size: int = database.execute("PRAGMA page_size").fetchone()[0]
    return pages * size


def figures(
    run: dict[str, Any], held: list[float], size: float, compared: dict[str, list[str]], probed: int
) -> list[Figure]:
    """Return the figures of so many migrations."""
    writes, count = run["classes"]["write"]["sent"], len(held)
    what = "hold of an Alembic migration that adds a column"
    return [
        told("size of the database that is migrated", size, "MB", COMMAND, 1),
        at_most(f"{what}, median", median(held), "s", LIMIT, COMMAND, count),
        at_most(f"{what}, longest", max(held), "s", LIMIT, COMMAND, count),
        at_least(
            "requests a second, sent through all migrations",
            run["sent"] / run["seconds"],
            "/s",
            200,
            COMMAND,
            run["sent"],
        ),
        at_most(f"requests lost over {count} migrations", run["lost"], "", 0, COMMAND, run["sent"]),
        at_most("writes acknowledged but missing after migrations", len(compared["missing"]), "", 0, COMMAND, writes),
        at_most("writes doubled after migrations", len(compared["doubled"]), "", 0, COMMAND, writes),
        told(
            "slowest fast answer over all migrations", run["slowest_fast"], "s", COMMAND, run["classes"]["fast"]["sent"]
        ),
        at_most("requests lost by the probers of rollouts that migrate", probed, "", 0, COMMAND, count),
    ]
