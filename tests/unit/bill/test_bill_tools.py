"""Other people's tools read Lading's bills: securesystemslib, openssl and ssh-keygen, each on real output."""

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from securesystemslib.dsse import Envelope as OracleEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from lading.bill import Malformed, approval_envelope, envelope_json, payload_of, pin, signed_bytes, verify_envelope
from lading.bill.compose import approval
from lading.bill.keys import FileSigner
from lading.bill.sshkeys import fingerprint, public_line, read_public_line
from lading.bill.statement import pre_authentication_encoding, seal, statement_in
from lading.bill.verify import Problem
from lading.model.bill import PAYLOAD_TYPE, Statement, TrustedKey
from tests.unit.bill.cases import NOW, Case, Person

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
needs_jq = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


def oracle_key(signer: FileSigner) -> SSlibKey:
    """Return the agent's key as securesystemslib has it."""
    return SSlibKey(signer.fingerprint, "ed25519", "ed25519", {"public": signer.public.hex()})


def test_securesystemslib_verifies_our_envelopes(case: Case) -> None:
    """The reference DSSE implementation accepts an envelope of ours, and refuses it after a change."""
    document = json.loads(envelope_json(case.say()))
    envelope = OracleEnvelope.from_dict(document)
    assert list(envelope.verify([oracle_key(case.stage)], 1)) == [case.stage.fingerprint]
    assert json.loads(envelope.payload)["predicate"]["gate"] == "rollout"
    envelope.payload = envelope.payload.replace(b'"passed":true', b'"passed":null')
    with pytest.raises(VerificationError):
        envelope.verify([oracle_key(case.stage)], 1)


def test_we_verify_envelopes_of_securesystemslib(case: Case) -> None:
    """An envelope that the reference implementation signed is believed here, byte for byte the same encoding."""
    oracle = CryptoSigner.generate_ed25519()
    public = bytes.fromhex(oracle.public_key.keyval["public"])
    payload = payload_of(statement_in(case.say()))
    sealed = OracleEnvelope(payload, PAYLOAD_TYPE, {})
    signature = sealed.sign(oracle)
    ours = seal(payload, fingerprint(public), bytes.fromhex(signature.signature))
    assert signed_bytes(ours) == sealed.pae()
    trusted = TrustedKey(fingerprint=fingerprint(public), public=base64.b64encode(public).decode(), name="oracle")
    assert isinstance(verify_envelope(ours, [trusted], NOW), Statement)


@needs_openssl
def test_openssl_verifies_a_statement_by_hand(case: Case, tmp_path: Path) -> None:
    """The steps of the documentation: public key as PEM, PAE and signature in files, ``openssl pkeyutl -verify``."""
    envelope = case.say()
    (tmp_path / "key.pem").write_text(case.stage.public_pem)
    (tmp_path / "pae").write_bytes(signed_bytes(envelope))
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope.signatures[0].sig))
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "pae", "-sigfile", "sig"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "pae").write_bytes(signed_bytes(envelope) + b" ")
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode != 0


@needs_openssl
def test_openssl_reads_the_key_file(tmp_path: Path) -> None:
    """The private key is plain PKCS #8: openssl derives from it the public key that we show."""
    signer = FileSigner(tmp_path / "agent.key", "host")
    shown = signer.public_pem
    derive = ["openssl", "pkey", "-in", str(tmp_path / "agent.key"), "-pubout"]
    assert subprocess.run(derive, capture_output=True, check=True, text=True).stdout == shown


@needs_ssh
def test_ssh_keygen_shows_the_same_fingerprint(case: Case, tmp_path: Path) -> None:
    """What people compare by eye is the same in ssh's tools and here, for agents' keys too."""
    (tmp_path / "key.pub").write_text(case.stage.public_line + "\n")
    show = ["ssh-keygen", "-lf", str(tmp_path / "key.pub")]
    shown = subprocess.run(show, capture_output=True, check=True, text=True).stdout.split()
    assert shown[1:3] == [case.stage.fingerprint, "stage-host"]


@needs_ssh
@pytest.mark.parametrize("hash_name", ["sha512", "sha256"])
def test_what_ssh_keygen_signs_is_an_approval(case: Case, tmp_path: Path, hash_name: str) -> None:
    """A statement signed by the real ``ssh-keygen -Y sign -n lading`` is believed, with either hash."""
    made = _make_key(tmp_path)
    payload = payload_of(approval(case.asked, NOW))
    message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(made), "-n", "lading", "-O", f"hashalg={hash_name}"]
    armored = subprocess.run(sign, input=message, capture_output=True, check=True).stdout.decode()
    trusted = pin(made.with_suffix(".pub").read_text(), "approver", NOW)
    assert trusted.name == "carol@laptop"
    assert isinstance(verify_envelope(approval_envelope(payload, armored), [trusted], NOW), Statement)
    other = payload_of(approval(case.asked, NOW + 1))
    assert isinstance(verify_envelope(approval_envelope(other, armored), [trusted], NOW), Problem)


@needs_ssh
def test_ssh_keygen_verifies_what_the_tests_sign(bob: Person, tmp_path: Path) -> None:
    """The tests' own signatures are genuine SSH signatures: the real ssh-keygen verifies them."""
    (tmp_path / "allowed").write_text(f"bob {public_line(bob.public)}\n")
    (tmp_path / "sig").write_text(bob.sign(b"a message"))
    verify = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "bob", "-n", "lading", "-s", "sig"]
    subprocess.run(verify, input=b"a message", cwd=tmp_path, capture_output=True, check=True)


@needs_ssh
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_types_of_keys_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    """Keys that are not ed25519 are refused with their type, both as lines and as signatures."""
    made = _make_key(tmp_path, kind)
    with pytest.raises(Malformed, match=f"{kind}.*only ssh-ed25519"):
        read_public_line(made.with_suffix(".pub").read_text())
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(made), "-n", "lading"]
    armored = subprocess.run(sign, input=b"x", capture_output=True, check=True).stdout.decode()
    with pytest.raises(Malformed, match="another type of key"):
        approval_envelope(b"x", armored)


def _make_key(directory: Path, kind: str = "ed25519") -> Path:
    path = directory / "id"
    make = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "carol@laptop", "-f", str(path)]
    subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    return path


def recipe(name: str) -> str:
    """Return a shell recipe of the documentation."""
    text = (Path(__file__).parents[3] / "docs" / "bill.md").read_text()
    return text.partition(f"<!-- checked by tests: {name} -->\n```sh\n")[2].partition("```")[0]


def follow(name: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Follow a recipe of the documentation as it stands."""
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", recipe(name)], cwd=directory, capture_output=True, text=True, check=False
    )


@needs_openssl
@needs_jq
def test_the_documented_check_by_hand_works(case: Case, tmp_path: Path) -> None:
    """The documentation's steps verify a statement, show it, and notice a forgery."""
    envelope = json.loads(envelope_json(case.say()))
    (tmp_path / "public").write_text(base64.b64encode(case.stage.public).decode() + "\n")
    (tmp_path / "statement.json").write_text(json.dumps(envelope))
    done = follow("by-hand", tmp_path)
    assert "Signature Verified Successfully" in done.stdout
    assert '"gate": "rollout"' in done.stdout
    envelope["payload"] = base64.b64encode(base64.b64decode(envelope["payload"]).replace(b"true", b"null")).decode()
    (tmp_path / "statement.json").write_text(json.dumps(envelope))
    assert follow("by-hand", tmp_path).returncode != 0


@needs_ssh
@needs_jq
def test_the_documented_check_of_an_approval_works(case: Case, bob: Person, eve: Person, tmp_path: Path) -> None:
    """The documentation's steps verify a person's approval, and not under another person's key."""
    (tmp_path / "statement.json").write_bytes(envelope_json(bob.approve(case.asked)))
    (tmp_path / "allowed").write_text(f"bob {public_line(bob.public)}\n")
    assert 'Good "lading" signature for bob' in follow("approval-by-hand", tmp_path).stdout
    (tmp_path / "allowed").write_text(f"bob {public_line(eve.public)}\n")
    assert follow("approval-by-hand", tmp_path).returncode != 0
