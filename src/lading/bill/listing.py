"""A bill as people read it: every statement, who signed it, and whether it holds."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from lading.bill.statement import Malformed, statement_in
from lading.bill.verify import Opened, open_envelope
from lading.model.bill import Envelope, Statement, TrustedKey


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a bill; ``problem`` is empty when a believed key signed it.

    ``signer`` is the name under which the key is believed; for an unknown key it is empty, and everything but
    ``keyid`` is only claimed.
    """

    environment: str = ""
    gate: str = ""
    passed: bool = False
    time: float = 0.0
    rollout: int | None = None
    signer: str = ""
    keyid: str = ""
    problem: str = ""
    facts: dict[str, Any] = {}


def rows(envelopes: Iterable[Envelope], trusted: Iterable[TrustedKey], now: float) -> Sequence[Row]:
    """Return one row a statement, by time; unreadable ones come first. ``now`` in seconds since the epoch."""
    keys = tuple(trusted)
    return sorted((_row(envelope, keys, now) for envelope in envelopes), key=lambda row: row.time)


def _row(envelope: Envelope, trusted: tuple[TrustedKey, ...], now: float) -> Row:
    opened = open_envelope(envelope, trusted, now)
    keyid = envelope.signatures[0].keyid if envelope.signatures else ""
    if isinstance(opened, Opened):
        return _told(opened.statement, signer=opened.key.name, keyid=opened.key.fingerprint)
    try:
        return _told(statement_in(envelope), keyid=keyid, problem=opened.text)
    except Malformed:
        return Row(keyid=keyid, problem=opened.text)


def _told(statement: Statement, *, keyid: str, signer: str = "", problem: str = "") -> Row:
    return Row(
        environment=statement.environment,
        gate=statement.gate,
        passed=statement.passed,
        time=statement.time,
        rollout=statement.rollout,
        signer=signer,
        keyid=keyid,
        problem=problem,
        facts=statement.facts,
    )
