"""Two agents, some people, and a bill between them."""

import base64
import hashlib
import struct
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lading.bill import (
    Asked,
    approval,
    approval_envelope,
    payload_of,
    pin,
    pre_authentication_encoding,
    verdict,
    vouch,
)
from lading.bill.keys import FileSigner
from lading.bill.sshkeys import ARMOR_BEGIN, ARMOR_END, public_line
from lading.model.bill import PAYLOAD_TYPE, Envelope, Policy, Statement, TrustedKey, Verdict

NOW = 1_760_000_000.0
HOUR = 3600.0
DAY = 86400.0
DIGEST = "sha256:" + "4f" * 32
MANIFEST = "sha256:" + "aa" * 32
NONCE = "b7c1" * 8
FROM_STAGE = Policy(passed=("stage",))


class Person:
    """Somebody with a personal SSH key, who signs as ``ssh-keygen -Y sign`` does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())

    @property
    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    @property
    def trusted(self) -> TrustedKey:
        return pin(public_line(self.public, self.name), "approver", NOW)

    def sign(self, message: bytes, namespace: str = "lading", hash_name: str = "sha512") -> str:
        """Return an armored SSHSIG over a message."""
        hashed = hashlib.new(hash_name, message).digest()
        context = string(namespace.encode()) + string(b"") + string(hash_name.encode())
        signature = string(b"ssh-ed25519") + string(self._key.sign(b"SSHSIG" + context + string(hashed)))
        key = string(b"ssh-ed25519") + string(self.public)
        return armor(b"SSHSIG" + struct.pack(">I", 1) + string(key) + context + string(signature))

    def seal(self, statement: Statement, namespace: str = "lading") -> Envelope:
        """Sign a statement as an approval is signed."""
        payload = payload_of(statement)
        return approval_envelope(payload, self.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload), namespace))

    def approve(self, asked: Asked, at: float = NOW - HOUR, *, consent: bool = True) -> Envelope:
        """Approve what is asked, or take the approval back."""
        return self.seal(approval(asked, at, consent=consent))


class Case:
    """A release on its way into production, and the bill it brings."""

    def __init__(self, stage: FileSigner, production: FileSigner) -> None:
        self.stage = stage
        self.production = production
        self.trusted = [stage.trusted_key(NOW), production.trusted_key(NOW)]
        self.asked = Asked(
            project="cashback",
            environment="production",
            version="v1.5.0",
            digest=DIGEST,
            manifest=MANIFEST,
            requester="ann@laptop",
            own=production.fingerprint,
        )

    def say(self, gate: str = "rollout", by: FileSigner | None = None, **changes: Any) -> Envelope:
        """Sign a statement: that a gate passed in stage an hour ago, unless ``changes`` say otherwise."""
        values: dict[str, Any] = {
            "project": "cashback",
            "environment": "stage",
            "digest": DIGEST,
            "version": "v1.5.0",
            "manifest": MANIFEST,
            "gate": gate,
            "passed": True,
            "time": NOW - HOUR,
            "facts": {"checks": 4, "lost_requests": 0},
        }
        return (by or self.stage).sign(Statement(**{**values, **changes}))

    def passed(self, **changes: Any) -> list[Envelope]:
        """Return the statements of a rollout that passed."""
        return [self.say(gate, **changes) for gate in ("rollout", "smoke", "watch")]

    def vouched(self, bill: list[Envelope], nonce: str = NONCE, at: float = NOW) -> Envelope:
        """Return stage's present word on its own copy of the bill, over the receiver's challenge."""
        asked = msgspec.structs.replace(
            self.asked, environment="stage", nonce=nonce, own=self.stage.fingerprint, requester=""
        )
        return self.stage.sign(vouch(bill, self.trusted, asked, at))

    def judge(self, bill: list[Envelope], policy: Policy = FROM_STAGE, now: float = NOW, **asked: Any) -> Verdict:
        """Hold a bill against a policy; ``asked`` changes the question."""
        return verdict(bill, self.trusted, policy, msgspec.structs.replace(self.asked, **asked), now)


def string(data: bytes) -> bytes:
    """Encode a string as SSH does."""
    return struct.pack(">I", len(data)) + data


def armor(blob: bytes) -> str:
    """Armor an SSH signature."""
    text = base64.b64encode(blob).decode()
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    return "\n".join([ARMOR_BEGIN, *lines, ARMOR_END, ""])
