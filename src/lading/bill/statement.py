"""A statement as in-toto Statement v1: the JSON that is signed, and back."""

import base64
import binascii
from typing import Any

import msgspec

from lading.model import typed
from lading.model.bill import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Envelope, Signature, Statement
from lading.model.canonical import canonical_json

# What the in-toto subject already says; the rest of a statement is the predicate.
_IN_SUBJECT = ("project", "version", "digest")


class Malformed(ValueError):
    """Bytes that are no envelope or no statement of Lading's, with the reason in a few words."""


class _Subject(msgspec.Struct, frozen=True):
    name: str
    digest: dict[str, str]


class _Document(msgspec.Struct, frozen=True, rename={"type": "_type", "predicate_type": "predicateType"}):
    type: str
    subject: tuple[_Subject, ...]
    predicate_type: str
    predicate: dict[str, Any]


def payload_of(statement: Statement) -> bytes:
    """Return the in-toto statement as canonical JSON: equal statements give the same bytes."""
    predicate = msgspec.to_builtins(statement)
    for part in _IN_SUBJECT:
        del predicate[part]
    subject = _Subject(
        name=f"{statement.project}@{statement.version}",
        digest={"sha256": statement.digest.removeprefix("sha256:")},
    )
    return canonical_json(
        _Document(type=STATEMENT_TYPE, subject=(subject,), predicate_type=PREDICATE_TYPE, predicate=predicate)
    )


def read_payload(payload: bytes) -> Statement:
    """Read a statement back; raise :class:`Malformed` when it is none of Lading's."""
    try:
        document = typed.decode(payload, _Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"no in-toto statement ({error})") from error
    if (document.type, document.predicate_type) != (STATEMENT_TYPE, PREDICATE_TYPE):
        raise Malformed(f"a statement of another type ({document.predicate_type})")
    if len(document.subject) != 1 or set(document.subject[0].digest) != {"sha256"}:
        raise Malformed("a statement must be about exactly one sha256 digest")
    project, at, version = document.subject[0].name.partition("@")
    if not at:
        raise Malformed("the subject must read project@version")
    subject = {"project": project, "version": version, "digest": "sha256:" + document.subject[0].digest["sha256"]}
    try:
        return typed.convert({**document.predicate, **subject}, Statement)
    except msgspec.MsgspecError as error:
        raise Malformed(f"an incomplete statement ({error})") from error


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's PAE, the bytes that a signature is over."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def signed_bytes(envelope: Envelope) -> bytes:
    """Return the bytes that an envelope's signatures are over; raise :class:`Malformed`."""
    return pre_authentication_encoding(envelope.payload_type, unbase64(envelope.payload))


def seal(payload: bytes, keyid: str, signature: bytes) -> Envelope:
    """Put a payload and one signature over its PAE into an envelope."""
    return Envelope(
        payload_type=PAYLOAD_TYPE,
        payload=to_base64(payload),
        signatures=(Signature(keyid=keyid, sig=to_base64(signature)),),
    )


def statement_in(envelope: Envelope) -> Statement:
    """Read what an envelope claims, without verifying it: for display only. Raise :class:`Malformed`."""
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Malformed(f"a payload of another type ({envelope.payload_type})")
    return read_payload(unbase64(envelope.payload))


def envelope_json(envelope: Envelope) -> bytes:
    """Return the envelope as DSSE JSON, as other tools read it."""
    return msgspec.json.encode(envelope)


def read_envelope(text: bytes | str) -> Envelope:
    """Read DSSE JSON; raise :class:`Malformed`."""
    try:
        return typed.decode(text, Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"no DSSE envelope ({error})") from error


def to_base64(data: bytes) -> str:
    """Encode in standard base64."""
    return base64.b64encode(data).decode()


def unbase64(text: str) -> bytes:
    """Decode standard base64, and only the one spelling that encoding gives; raise :class:`Malformed`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("no base64") from error
    # Unused bits of the last character would give one value several spellings, and a changed byte a valid envelope.
    if to_base64(data) != text:
        raise Malformed("base64 in an unusual spelling")
    return data
