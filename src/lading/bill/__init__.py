"""Signed statements: signing, trust, verification, policy."""

from lading.bill.compose import approval, custom_gate, pin, reinstatement, revocation
from lading.bill.policy import default_policy, loosening, loosens, refusal, tighten
from lading.bill.reading import Asked
from lading.bill.rotation import Rotation, accept_rotation
from lading.bill.statement import (
    Malformed,
    envelope_json,
    payload_of,
    pre_authentication_encoding,
    read_envelope,
    read_payload,
    signed_bytes,
    statement_in,
)
from lading.bill.verdict import verdict, vouch
from lading.bill.verify import Problem, approval_envelope, verify_envelope

__all__ = [
    "Asked",
    "Malformed",
    "Problem",
    "Rotation",
    "accept_rotation",
    "approval",
    "approval_envelope",
    "custom_gate",
    "default_policy",
    "envelope_json",
    "loosening",
    "loosens",
    "payload_of",
    "pin",
    "pre_authentication_encoding",
    "read_envelope",
    "read_payload",
    "refusal",
    "reinstatement",
    "revocation",
    "signed_bytes",
    "statement_in",
    "tighten",
    "verdict",
    "verify_envelope",
    "vouch",
]
