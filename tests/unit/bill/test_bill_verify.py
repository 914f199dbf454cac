"""Whether an envelope is believed."""

import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.bill import Malformed, Problem, approval_envelope, envelope_json, payload_of, read_envelope, verify_envelope
from lading.bill.keys import FileSigner
from lading.bill.statement import statement_in, to_base64
from lading.model.bill import Envelope, Signature, Statement, TrustedKey
from lading.model.errors import LadingError
from tests.unit.bill.cases import DAY, NOW, Case, Person


def problem(envelope: Envelope, trusted: list[TrustedKey], now: float = NOW) -> Problem:
    """Return the problem that verifying must give."""
    result = verify_envelope(envelope, trusted, now)
    assert isinstance(result, Problem), result
    return result


def test_what_a_believed_key_signed_is_believed(case: Case) -> None:
    """An envelope signed by a trusted agent gives its statement, with the agent's name in it."""
    statement = verify_envelope(case.say(rollout=41), case.trusted, NOW)
    assert isinstance(statement, Statement)
    assert (statement.gate, statement.rollout, statement.signer) == ("rollout", 41, "stage-host")


def test_an_unknown_key_is_not_believed(case: Case, stranger: FileSigner) -> None:
    """A genuine signature by a key that nobody pinned counts for nothing, and the key is named."""
    found = problem(case.say(by=stranger), case.trusted)
    assert found.kind == "unknown-key"
    assert stranger.fingerprint in found.text
    assert (found.environment, found.gate) == ("stage", "rollout")


def test_a_tampered_payload_is_noticed(case: Case) -> None:
    """Turning a failure into a pass breaks the signature."""
    envelope = case.say(passed=False)
    forged = payload_of(msgspec.structs.replace(statement_in(envelope), passed=True))
    found = problem(msgspec.structs.replace(envelope, payload=to_base64(forged)), case.trusted)
    assert found.kind == "bad-signature"
    assert "stage-host" in found.text


def test_a_tampered_signature_is_noticed(case: Case) -> None:
    """A signature of the right length and the wrong bytes is refused, and so is none at all."""
    envelope = case.say()
    for sig in (bytes(64), b"", b"x" * 63):
        signatures = (Signature(keyid=case.stage.fingerprint, sig=to_base64(sig)),)
        assert problem(msgspec.structs.replace(envelope, signatures=signatures), case.trusted).kind == "bad-signature"
    assert problem(msgspec.structs.replace(envelope, signatures=()), case.trusted).kind == "unknown-key"


def test_a_signature_passes_under_no_other_name(case: Case, stranger: FileSigner) -> None:
    """A stranger's signature under a trusted key's fingerprint is a forgery, not an unknown key."""
    envelope = case.say(by=stranger)
    renamed = (Signature(keyid=case.stage.fingerprint, sig=envelope.signatures[0].sig),)
    assert problem(msgspec.structs.replace(envelope, signatures=renamed), case.trusted).kind == "bad-signature"


def test_a_pinned_key_must_fit_its_fingerprint(case: Case, stranger: FileSigner) -> None:
    """A trust entry whose key is not the one its fingerprint names believes nobody."""
    swapped = msgspec.structs.replace(case.trusted[0], public=to_base64(stranger.public))
    envelope = case.say(by=stranger)
    renamed = (Signature(keyid=swapped.fingerprint, sig=envelope.signatures[0].sig),)
    assert problem(msgspec.structs.replace(envelope, signatures=renamed), [swapped]).kind == "bad-signature"


def test_another_signature_beside_the_believed_one_does_no_harm(case: Case, stranger: FileSigner) -> None:
    """An envelope may carry signatures of keys that are not known here, as DSSE allows."""
    envelope = case.say()
    extra = Signature(keyid=stranger.fingerprint, sig=to_base64(bytes(64)))
    both = msgspec.structs.replace(envelope, signatures=(extra, *envelope.signatures))
    assert isinstance(verify_envelope(both, case.trusted, NOW), Statement)


def test_a_key_counts_until_its_overlap_ends(case: Case) -> None:
    """A key that was replaced is believed up to the end of the overlap and not after."""
    old = [msgspec.structs.replace(case.trusted[0], until=NOW + DAY)]
    assert isinstance(verify_envelope(case.say(), old, NOW + DAY), Statement)
    found = problem(case.say(), old, NOW + DAY + 1)
    assert found.kind == "expired-key"
    assert "2025-10-10" in found.text


@pytest.mark.parametrize("payload", ["", "!", "QQ=="])
def test_what_cannot_be_read_is_malformed(case: Case, payload: str) -> None:
    """Bytes that are no statement are a problem, not an exception."""
    assert problem(msgspec.structs.replace(case.say(), payload=payload), case.trusted).kind == "malformed"


def test_a_person_is_believed_by_ssh_signature_only(case: Case, bob: Person, stage: FileSigner) -> None:
    """An approver's statement carries an SSH signature; a bare ed25519 signature by an approver is refused."""
    assert isinstance(verify_envelope(bob.approve(case.asked), [bob.trusted], NOW), Statement)
    as_approver = [msgspec.structs.replace(case.trusted[0], role="approver")]
    assert problem(case.say("approval"), as_approver).kind == "bad-signature"


def test_a_signature_made_for_something_else_is_no_approval(case: Case, bob: Person) -> None:
    """An SSH signature of another namespace (git, file) over the same bytes approves nothing."""
    from lading.bill import approval

    sealed = bob.seal(approval(case.asked, NOW), namespace="git")
    assert problem(sealed, [bob.trusted]).kind == "bad-signature"


def test_an_ssh_signature_counts_for_its_own_key_only(case: Case, bob: Person, eve: Person) -> None:
    """A signature blob that names another key than the envelope is refused."""
    sealed = eve.approve(case.asked)
    renamed = (Signature(keyid=bob.trusted.fingerprint, sig=sealed.signatures[0].sig),)
    assert problem(msgspec.structs.replace(sealed, signatures=renamed), [bob.trusted]).kind == "bad-signature"


def test_an_approval_without_armor_is_refused(bob: Person) -> None:
    """What a client posts must be an armored SSH signature."""
    with pytest.raises(Malformed, match="armored"):
        approval_envelope(b"{}", "no signature at all")


@given(st.data())
def test_flipping_any_byte_never_verifies(data: st.DataObject) -> None:
    """Whatever single byte of an agent's or a person's envelope is changed, it is not believed any more."""
    text, trusted = data.draw(st.sampled_from(_sealed()))
    at = data.draw(st.integers(0, len(text) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytes([*text[:at], text[at] ^ flip, *text[at + 1 :]])
    try:
        envelope = read_envelope(changed)
    except Malformed:
        return
    assert isinstance(verify_envelope(envelope, [trusted], NOW), Problem)


def test_flipping_each_bit_of_an_envelope_never_verifies() -> None:
    """The same for every bit of every byte, without chance: base64's unused bits included."""
    for text, trusted in _sealed():
        for at in range(len(text)):
            for bit in range(8):
                changed = bytearray(text)
                changed[at] ^= 1 << bit
                try:
                    envelope = read_envelope(bytes(changed))
                except Malformed:
                    continue
                assert isinstance(verify_envelope(envelope, [trusted], NOW), Problem), (at, bit)


_kept: list[tuple[bytes, TrustedKey]] = []


def _sealed() -> list[tuple[bytes, TrustedKey]]:
    if not _kept:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        from lading.bill.sshkeys import fingerprint
        from lading.bill.statement import pre_authentication_encoding, seal
        from lading.model.bill import PAYLOAD_TYPE

        statement = Statement(
            project="p", environment="e", digest="sha256:0", version="v", manifest="", gate="g", passed=True, time=1.0
        )
        payload = payload_of(statement)
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        public = key.public_key().public_bytes_raw()
        name = fingerprint(public)
        agent = seal(payload, name, key.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload)))
        person = Person("carol")
        trusted = TrustedKey(fingerprint=name, public=base64.b64encode(public).decode(), name="agent")
        _kept.append((envelope_json(agent), trusted))
        _kept.append((envelope_json(person.seal(statement)), person.trusted))
        for text, who in _kept:
            assert isinstance(verify_envelope(read_envelope(text), [who], NOW), Statement)
    return _kept


def test_a_key_line_pins_a_key() -> None:
    """A public key line gives a trust entry with ssh's fingerprint; what is no such line is refused in words."""
    from lading.bill import pin

    bob = Person("bob")
    assert bob.trusted.name == "bob"
    with pytest.raises(LadingError, match="ssh-rsa"):
        pin("ssh-rsa AAAAB3Nza bob", "approver", NOW)
