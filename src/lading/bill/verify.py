"""Whether an envelope was signed by a key that is believed, and what it says."""

from collections.abc import Iterable

import msgspec

from lading.bill.sshkeys import NAMESPACE, fingerprint, read_signature, unarmor
from lading.bill.statement import Malformed, seal, signed_bytes, statement_in, unbase64
from lading.bill.words import when
from lading.model.bill import Envelope, Signature, Statement, TrustedKey

AGENT = "agent"
APPROVER = "approver"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why an envelope counts for nothing.

    ``kind``: ``malformed`` ``unknown-key`` ``bad-signature`` ``expired-key``. ``text`` is a clause for people.
    ``environment`` and ``gate`` are what it claims to be about, unverified and empty when unreadable.
    """

    kind: str
    text: str
    environment: str = ""
    gate: str = ""


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A verified statement and the key that signed it."""

    statement: Statement
    key: TrustedKey


def verify_envelope(envelope: Envelope, trusted: Iterable[TrustedKey], now: float) -> Statement | Problem:
    """Return the statement when a believed key signed it, else why not. ``now`` in seconds since the epoch."""
    opened = open_envelope(envelope, trusted, now)
    return opened if isinstance(opened, Problem) else opened.statement


def open_envelope(envelope: Envelope, trusted: Iterable[TrustedKey], now: float) -> Opened | Problem:
    """Return the statement with the key that signed it, or why the envelope counts for nothing."""
    try:
        message = signed_bytes(envelope)
        statement = statement_in(envelope)
    except Malformed as error:
        return Problem(kind="malformed", text=f"it cannot be read: {error}")
    # Of two entries for one key the first holds: the agent's own key, given first, is nobody's approver.
    keys = {key.fingerprint: key for key in reversed(tuple(trusted))}
    signature = next((one for one in envelope.signatures if one.keyid in keys), None)
    if signature is None:
        return _problem(
            statement, "unknown-key", f"it is signed by {_signers(envelope)}, which this agent does not trust"
        )
    key = keys[signature.keyid]
    if not _genuine(signature, key, message):
        return _problem(
            statement, "bad-signature", f"its signature by {key.name} ({key.fingerprint}) does not match it"
        )
    if key.until is not None and now > key.until:
        text = f"it is signed by an earlier key of {key.name}, believed until {when(key.until)}"
        return _problem(statement, "expired-key", text)
    return Opened(statement=statement, key=key)


def approval_envelope(payload: bytes, armored: str) -> Envelope:
    """Put a payload and the armored SSH signature over its PAE into an envelope; raise ``Malformed``.

    The signature is made by ``ssh-keygen -Y sign -n lading``.
    """
    blob = unarmor(armored)
    return seal(payload, fingerprint(read_signature(blob).public), blob)


def _problem(statement: Statement, kind: str, text: str) -> Problem:
    return Problem(kind=kind, text=text, environment=statement.environment, gate=statement.gate)


def _signers(envelope: Envelope) -> str:
    return " and ".join(signature.keyid for signature in envelope.signatures) or "nobody"


def _genuine(signature: Signature, key: TrustedKey, message: bytes) -> bool:
    try:
        sig, public = unbase64(signature.sig), unbase64(key.public)
        # The fingerprint is what a person compared; the key must be the one it stands for.
        if fingerprint(public) != key.fingerprint:
            return False
        return _ssh_genuine(sig, public, message) if key.role == APPROVER else _ed25519(sig, public, message)
    except Malformed:
        return False


def _ssh_genuine(blob: bytes, public: bytes, message: bytes) -> bool:
    parsed = read_signature(blob)
    # The namespace keeps a signature made for git or for a file from passing as an approval.
    if parsed.public != public or parsed.namespace != NAMESPACE.encode():
        return False
    return _ed25519(parsed.signature, public, parsed.signed_data(message))


def _ed25519(signature: bytes, public: bytes, message: bytes) -> bool:
    # Imported where used: eight megabytes that an idle agent does without.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
