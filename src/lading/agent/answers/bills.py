"""What the agent answers of bills: statements, approvals, and the keys that are believed."""

import msgspec

from lading.model.bill import Envelope, Statement, TrustedKey


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """One envelope of a bill: what it says (null when unreadable), whether its signer is believed, else why not.

    ``signer`` is the name under which the key is believed, empty for an unknown one: what a statement itself says of
    its signer is a claim.
    """

    envelope: Envelope
    statement: Statement | None
    trusted: bool
    signer: str = ""
    problem: str = ""


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """The bill of a digest, oldest first; ``introductions`` are signed words of old keys about new ones."""

    statements: tuple[StatementView, ...]
    introductions: tuple[Envelope, ...] = ()


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that this agent signed."""

    envelope: Envelope


class Nonce(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge for one promotion and when it ends (seconds since the epoch)."""

    nonce: str
    expires: float


class ApprovalDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver signs: the statement (base64), and the message that the signature is over (base64)."""

    payload: str
    message: str


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Whose approval was taken."""

    signer: str
    fingerprint: str


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's own key, and the keys it believes besides."""

    own: TrustedKey
    keys: tuple[TrustedKey, ...]


class OwnKey(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's own key."""

    own: TrustedKey


class AddedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is believed from now on."""

    key: TrustedKey


class RemovedKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that are no longer believed."""

    removed: tuple[TrustedKey, ...]
