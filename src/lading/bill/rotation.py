"""How one key of an agent introduces the next, and how another agent comes to believe it."""

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from lading.bill.gates import ROTATION
from lading.bill.sshkeys import RAW_LENGTH, fingerprint
from lading.bill.statement import Malformed, statement_in, to_base64, unbase64
from lading.bill.verify import AGENT, Problem, open_envelope
from lading.bill.words import when
from lading.model.bill import Envelope, Statement, TrustedKey

OVERLAP: Final = 30 * 86400.0  # seconds that statements of the old key still count after a rotation


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """What an accepted introduction changes: the old key with its end, and the new key in its place."""

    old: TrustedKey
    new: TrustedKey


def introduction(name: str, old: bytes, new: bytes, now: float, overlap: float) -> Statement:
    """Return the statement by which an agent's old key introduces its next one; both raw public keys."""
    return Statement(
        # A colon stands in no project's name: an introduction can never be taken for a release's statement.
        project=f"key:{name}",
        environment="",
        digest="sha256:" + hashlib.sha256(new).hexdigest(),
        version=fingerprint(new),
        manifest="",
        gate=ROTATION,
        passed=True,
        time=now,
        facts={"public": to_base64(new), "overlap": overlap, "replaces": to_base64(old)},
    )


def replaced_by(envelope: Envelope) -> TrustedKey:
    """Return the key that an agent's own introduction replaced, believed until the overlap ends.

    For introductions out of the agent's own key file only: nothing is verified.
    """
    statement = statement_in(envelope)
    public = unbase64(statement.facts["replaces"])
    return TrustedKey(
        fingerprint=fingerprint(public),
        public=to_base64(public),
        name=statement.signer,
        until=statement.time + statement.facts["overlap"],
    )


def accept_rotation(envelope: Envelope, trusted: Iterable[TrustedKey], now: float) -> Rotation | Problem:
    """Return what an introduction changes among the believed keys, or why it changes nothing.

    The new key takes the old one's name and role. A key that was itself replaced already introduces no other: who
    stole it must not outlive the overlap. ``now`` in seconds since the epoch.
    """
    opened = open_envelope(envelope, trusted, now)
    if isinstance(opened, Problem):
        return opened
    statement, old = opened.statement, opened.key
    if statement.gate != ROTATION or old.role != AGENT:
        return _refused("it introduces no key")
    if old.until is not None:
        return _refused(
            f"{old.name}'s key was replaced already and counts until {when(old.until)}, for statements only"
        )
    try:
        public = unbase64(str(statement.facts.get("public", "")))
        overlap = min(max(float(statement.facts.get("overlap", 0.0)), 0.0), OVERLAP)
    except (Malformed, ValueError):
        return _refused("the key it introduces cannot be read")
    if len(public) != RAW_LENGTH or statement.version != fingerprint(public):
        return _refused("the key it introduces is not the one its fingerprint names")
    return Rotation(
        old=msgspec.structs.replace(old, until=min(statement.time, now) + overlap),
        new=TrustedKey(
            fingerprint=fingerprint(public), public=to_base64(public), name=old.name, role=old.role, added=now
        ),
    )


def _refused(text: str) -> Problem:
    return Problem(kind="malformed", text=text, gate=ROTATION)
