"""SSH's formats, read strictly."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.bill.sshkeys import fingerprint, public_line, read_public_line, read_signature, unarmor
from lading.bill.statement import Malformed
from tests.unit.bill.cases import Person, armor, string


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["", "ann", "ann@laptop of hers"]))
def test_a_key_line_survives(public: bytes, comment: str) -> None:
    """Writing and reading a public key line gives key and comment back."""
    assert read_public_line(public_line(public, comment)) == (public, comment)


def test_a_known_fingerprint() -> None:
    """The fingerprint of the all-zero key is what ``ssh-keygen -lf`` shows for it."""
    assert fingerprint(bytes(32)) == "SHA256:kmYcvdi2GkPeWxB6XLjrZB8JHsy2Hm8luHMFp9GMvqk"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "reads: ssh-ed25519"),
        ("ssh-ed25519", "reads: ssh-ed25519"),
        ("ssh-ed25519 !!!!", "base64 is damaged"),
        ("sk-ssh-ed25519@openssh.com AAAA", "only ssh-ed25519"),
        ("ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519")).decode(), "cut short"),
        ("ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(bytes(31))).decode(), "no ssh-ed25519 key"),
        ("ssh-ed25519 " + base64.b64encode(string(b"ssh-rsa") + string(bytes(32))).decode(), "no ssh-ed25519 key"),
        (
            "ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(bytes(32)) + b"x").decode(),
            "after the end",
        ),
    ],
)
def test_what_is_no_key_is_refused(line: str, reason: str) -> None:
    """A damaged line is refused with the reason."""
    with pytest.raises(Malformed, match=reason):
        read_public_line(line)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_signature_reader(blob: bytes) -> None:
    """Any bytes are either a signature or refused: nothing else escapes."""
    for text in (blob, b"SSHSIG" + struct.pack(">I", 1) + blob):
        with pytest.raises(Malformed):
            read_signature(text)


@given(st.data())
def test_a_signature_cut_anywhere_is_refused(data: st.DataObject) -> None:
    """A signature blob that is cut short or goes on is refused."""
    blob = unarmor(Person("ann").sign(b"message"))
    with pytest.raises(Malformed):
        read_signature(blob[: data.draw(st.integers(0, len(blob) - 1))])
    with pytest.raises(Malformed):
        read_signature(blob + data.draw(st.binary(min_size=1, max_size=5)))


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----"])
def test_what_is_no_armor_is_refused(text: str) -> None:
    """Text without an armored signature is refused."""
    with pytest.raises(Malformed, match="armored"):
        unarmor(text)


def test_damaged_armor_is_refused() -> None:
    """Armor around something else than base64 is refused."""
    with pytest.raises(Malformed, match="damaged"):
        unarmor(armor(b"abc").replace("YWJj", "!!!!"))


def test_an_unknown_hash_is_refused() -> None:
    """A signature over a hash that is neither sha256 nor sha512 is refused, not guessed."""
    blob = unarmor(Person("ann").sign(b"m")).replace(string(b"sha512"), string(b"sha999"))
    with pytest.raises(Malformed, match="unknown hash"):
        read_signature(blob)
