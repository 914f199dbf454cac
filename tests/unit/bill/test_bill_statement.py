"""Statements as in-toto JSON in DSSE envelopes."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.bill.statement import (
    Malformed,
    envelope_json,
    payload_of,
    pre_authentication_encoding,
    read_envelope,
    read_payload,
    seal,
    signed_bytes,
    statement_in,
    to_base64,
    unbase64,
)
from lading.model.bill import Envelope, Statement
from lading.model.secret import Secret

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="@"), max_size=20)
facts = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.integers(-5, 2**40) | st.text('aé✓"\\\n', max_size=5),
)
statements = st.builds(
    Statement,
    project=names,
    environment=names,
    digest=st.just("sha256:" + "4f" * 32),
    version=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    manifest=names,
    gate=names,
    passed=st.booleans(),
    time=st.floats(0, 4e9),
    signer=names,
    rollout=st.none() | st.integers(0, 10**6),
    nonce=names,
    facts=facts,
)  # fmt: skip
STATEMENT = Statement(
    project="cashback",
    environment="stage",
    digest="sha256:00",
    version="v1",
    manifest="",
    gate="g",
    passed=True,
    time=1,
)


@given(statements)
def test_a_statement_survives_its_payload(statement: Statement) -> None:
    """Writing and reading a statement gives it back, whatever its texts hold."""
    assert read_payload(payload_of(statement)) == statement


@given(statements, st.binary(max_size=64))
def test_an_envelope_survives_its_json(statement: Statement, signature: bytes) -> None:
    """Writing and reading an envelope gives it back, and the statement in it."""
    envelope = seal(payload_of(statement), "SHA256:k", signature)
    assert read_envelope(envelope_json(envelope)) == envelope
    assert statement_in(envelope) == statement


def test_pae_is_the_one_of_the_specification() -> None:
    """The pre-authentication encoding is DSSE's own example, byte for byte."""
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_pae_counts_bytes_not_characters() -> None:
    """Lengths are of the encoded bytes, so that no two (type, payload) pairs share an encoding."""
    assert pre_authentication_encoding("é", "✓".encode()) == "DSSEv1 2 é 3 ✓".encode()


def test_envelope_json_has_the_names_of_dsse() -> None:
    """The JSON of an envelope has exactly the members that DSSE names."""
    document = json.loads(envelope_json(seal(payload_of(STATEMENT), "SHA256:k", b"sig")))
    assert sorted(document) == ["payload", "payloadType", "signatures"]
    assert sorted(document["signatures"][0]) == ["keyid", "sig"]
    assert document["payloadType"] == "application/vnd.in-toto+json"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "no in-toto statement"),
        (b"\xff\xfe", "no in-toto statement"),
        (b"[]", "no in-toto statement"),
        (b'{"_type": "https://in-toto.io/Statement/v1"}', "no in-toto statement"),
        (payload_of(STATEMENT).replace(b"lading.dev/gate/v1", b"slsa.dev/provenance/v1"), "another type"),
        (payload_of(STATEMENT).replace(b"Statement/v1", b"Statement/v0.1"), "another type"),
        (payload_of(STATEMENT).replace(b'"sha256":"00"', b'"sha1":"00"'), "exactly one sha256"),
        (payload_of(STATEMENT).replace(b"cashback@v1", b"cashback"), "project@version"),
        (payload_of(STATEMENT).replace(b'"passed":true', b'"passed":"yes"'), "incomplete"),
        (payload_of(STATEMENT).replace(b'"gate":"g",', b""), "incomplete"),
    ],
)
def test_what_is_no_statement_is_refused(payload: bytes, reason: str) -> None:
    """A payload that is not exactly a statement of Lading's is refused with the reason."""
    with pytest.raises(Malformed, match=reason):
        read_payload(payload)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"payloadType": 1, "payload": "", "signatures": []}', b"\xff"])
def test_what_is_no_envelope_is_refused(text: str | bytes) -> None:
    """Text that is not exactly a DSSE envelope is refused."""
    with pytest.raises(Malformed, match="no DSSE envelope"):
        read_envelope(text)


def test_a_payload_of_another_type_is_refused() -> None:
    """An envelope around something else than in-toto is never read as a statement."""
    envelope = Envelope(payload_type="text/plain", payload=to_base64(payload_of(STATEMENT)), signatures=())
    with pytest.raises(Malformed, match="text/plain"):
        statement_in(envelope)


@pytest.mark.parametrize("text", ["QQ", "QR==", "Q Q=", "QQ==\n", "-_8=", "é", "QQ===="])
def test_base64_has_one_spelling(text: str) -> None:
    """Only the spelling that encoding gives is read: a changed byte can never mean the same."""
    with pytest.raises(Malformed):
        unbase64(text)


def test_a_damaged_payload_is_malformed() -> None:
    """An envelope whose payload is no base64 has no bytes to verify."""
    with pytest.raises(Malformed):
        signed_bytes(Envelope(payload_type="a", payload="!", signatures=()))


def test_a_secret_among_the_facts_is_never_written() -> None:
    """A secret that slipped into the facts stops the signing instead of being signed."""
    statement = msgspec.structs.replace(STATEMENT, facts={"token": Secret("hunter2-hunter2")})
    with pytest.raises(TypeError) as caught:
        payload_of(statement)
    assert "hunter2" not in str(caught.value)
