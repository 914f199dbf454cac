"""What every Signer must keep, as tests: subclass it and give a ``signer`` fixture."""

import base64
import json
from typing import Any

from lading.model.bill import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Envelope, Statement
from lading.model.errors import LadingError
from lading.ports.signer import Signer

DIGEST = "sha256:" + "4f" * 32


def statement(**changes: Any) -> Statement:
    """Return a statement for tests."""
    values: dict[str, Any] = {
        "project": "cashback",
        "environment": "stage",
        "digest": DIGEST,
        "version": "v1.5.0",
        "manifest": "sha256:" + "aa" * 32,
        "gate": "rollout",
        "passed": True,
        "time": 1_750_000_000.25,
        "rollout": 41,
        "facts": {"requests": 3412, "lost_requests": 0, "seconds": 4.2},
    }
    return Statement(**{**values, **changes})


def payload_of(envelope: Envelope) -> dict[str, Any]:
    """Return the JSON inside an envelope."""
    document = json.loads(base64.b64decode(envelope.payload, validate=True))
    assert isinstance(document, dict)
    return document


def refusal(signer: Signer, unwelcome: Statement) -> LadingError:
    """Return the error that signing a statement must raise."""
    try:
        signer.sign(unwelcome)
    except LadingError as error:
        return error
    raise AssertionError(f"signed as {signer.name}: {unwelcome}")


class SignerConformance:
    """The promises of the Signer port."""

    def test_fingerprint_is_stable_and_reads_like_ssh(self, signer: Signer) -> None:
        """A fingerprint is ``SHA256:`` and 43 base64 characters, the same at every call."""
        assert signer.fingerprint == signer.fingerprint
        assert signer.fingerprint.startswith("SHA256:")
        assert len(base64.b64decode(signer.fingerprint.removeprefix("SHA256:") + "=", validate=True)) == 32

    def test_envelope_names_the_key_and_the_payload_type(self, signer: Signer) -> None:
        """An envelope carries one signature, by the signer's key, over an in-toto payload."""
        envelope = signer.sign(statement())
        assert envelope.payload_type == PAYLOAD_TYPE
        assert [signature.keyid for signature in envelope.signatures] == [signer.fingerprint]
        assert base64.b64decode(envelope.signatures[0].sig, validate=True)

    def test_payload_is_an_in_toto_statement_about_the_digest(self, signer: Signer) -> None:
        """The payload is an in-toto statement v1 whose subject is the release and whose predicate is the gate."""
        document = payload_of(signer.sign(statement()))
        assert document["_type"] == STATEMENT_TYPE
        assert document["predicateType"] == PREDICATE_TYPE
        assert document["subject"] == [{"name": "cashback@v1.5.0", "digest": {"sha256": "4f" * 32}}]
        assert document["predicate"]["gate"] == "rollout"
        assert document["predicate"]["passed"] is True
        assert document["predicate"]["facts"] == {"requests": 3412, "lost_requests": 0, "seconds": 4.2}

    def test_the_signer_stands_in_the_statement(self, signer: Signer) -> None:
        """A statement without a signer gets the signer's name before it is signed."""
        assert payload_of(signer.sign(statement()))["predicate"]["signer"] == signer.name

    def test_the_same_statement_gives_the_same_payload(self, signer: Signer) -> None:
        """Signing twice gives the same payload, whatever order the facts came in."""
        one = signer.sign(statement(facts={"a": 1, "b": 2}))
        other = signer.sign(statement(facts={"b": 2, "a": 1}))
        assert one.payload == other.payload

    def test_signs_in_no_other_name(self, signer: Signer) -> None:
        """A statement that names another signer is refused with code ``bill``."""
        error = refusal(signer, statement(signer="somebody else"))
        assert error.code == "bill"
        assert "somebody else" in str(error)
