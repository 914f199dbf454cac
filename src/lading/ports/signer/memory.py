"""The Signer port in memory, for tests of what signs: its envelopes have the right shape and no strength."""

import base64
import hashlib

import msgspec

from lading.model.bill import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Envelope, Signature, Statement
from lading.model.canonical import canonical_json
from lading.model.errors import LadingError


class MemorySigner:
    """Sign with a digest in place of a key; ``signed`` holds the statements in the order they were signed."""

    def __init__(self, name: str = "memory") -> None:
        self._name = name
        self.signed: list[Statement] = []

    @property
    def fingerprint(self) -> str:
        """Return a fingerprint that depends on the name only."""
        return "SHA256:" + _b64(hashlib.sha256(f"memory key of {self._name}".encode()).digest()).rstrip("=")

    @property
    def name(self) -> str:
        """Return the signer's name."""
        return self._name

    def sign(self, statement: Statement) -> Envelope:
        """Return an envelope whose signature is a digest over payload and name."""
        if statement.signer not in ("", self._name):
            raise LadingError(
                "bill",
                doing=f"signing {statement.gate} of {statement.project}@{statement.version}",
                happened=f"the statement names {statement.signer} as its signer, and this key is {self._name}'s",
                now="nothing was signed",
                hint="leave the signer out, or let that agent sign",
            )
        statement = msgspec.structs.replace(statement, signer=self._name)
        self.signed.append(statement)
        payload = canonical_json(_in_toto(statement))
        sig = hashlib.sha256(self._name.encode() + b"\0" + payload).digest()
        return Envelope(
            payload_type=PAYLOAD_TYPE,
            payload=_b64(payload),
            signatures=(Signature(keyid=self.fingerprint, sig=_b64(sig)),),
        )


def _in_toto(statement: Statement) -> dict[str, object]:
    predicate = msgspec.to_builtins(statement)
    for part in ("project", "version", "digest"):
        del predicate[part]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": f"{statement.project}@{statement.version}",
                "digest": {"sha256": statement.digest.removeprefix("sha256:")},
            }
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
