"""SSH's formats for ed25519: public keys, fingerprints, and signatures made by ``ssh-keygen -Y sign -n lading``.

All keys in bills, agents' own included, carry SSH's fingerprint, so that ``ssh-keygen -lf`` shows the same letters.
"""

import base64
import binascii
import hashlib
import struct

import msgspec

from lading.bill.statement import Malformed

NAMESPACE = "lading"
RAW_LENGTH = 32  # bytes of a raw ed25519 public key
ARMOR_BEGIN = "-----BEGIN SSH SIGNATURE-----"
ARMOR_END = "-----END SSH SIGNATURE-----"

_KEY_TYPE = b"ssh-ed25519"
_MAGIC = b"SSHSIG"
_VERSION = 1
_HASHES = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}


class SshSignature(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed SSHSIG blob: the key it names (raw), its namespace, its hash and the ed25519 signature."""

    public: bytes
    namespace: bytes
    reserved: bytes
    hash_name: bytes
    signature: bytes

    def signed_data(self, message: bytes) -> bytes:
        """Return the bytes that ed25519 signed for this message."""
        hashed = _HASHES[self.hash_name](message).digest()
        return _MAGIC + b"".join(map(_string, (self.namespace, self.reserved, self.hash_name, hashed)))


def fingerprint(public: bytes) -> str:
    """Return the fingerprint of a raw ed25519 public key as ssh shows it: ``SHA256:`` and 43 characters."""
    digest = hashlib.sha256(_key_blob(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def public_line(public: bytes, comment: str = "") -> str:
    """Return a raw public key as a line of ``authorized_keys``."""
    return f"ssh-ed25519 {base64.b64encode(_key_blob(public)).decode()} {comment}".rstrip()


def read_public_line(line: str) -> tuple[bytes, str]:
    """Read ``ssh-ed25519 AAAA… comment`` and return (raw public key, comment); raise :class:`Malformed`."""
    words = line.strip().split(None, 2)
    if len(words) < 2:
        raise Malformed("an SSH public key reads: ssh-ed25519 AAAA… comment")
    if words[0] != _KEY_TYPE.decode():
        raise Malformed(f"a key of type {words[0]}; only ssh-ed25519 is taken (ssh-keygen -t ed25519 makes one)")
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the key's base64 is damaged") from error
    return _read_key_blob(blob), words[2] if len(words) > 2 else ""


def unarmor(text: str) -> bytes:
    """Return the blob of an armored SSH signature; raise :class:`Malformed`."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or lines[0] != ARMOR_BEGIN or lines[-1] != ARMOR_END:
        raise Malformed("no armored SSH signature (ssh-keygen -Y sign writes one)")
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the SSH signature's base64 is damaged") from error


def read_signature(blob: bytes) -> SshSignature:
    """Parse an SSHSIG blob made by an ed25519 key; raise :class:`Malformed`."""
    if not blob.startswith(_MAGIC + struct.pack(">I", _VERSION)):
        raise Malformed("no SSH signature of version 1")
    public, namespace, reserved, hash_name, signature = _strings(blob[len(_MAGIC) + 4 :], 5)
    if hash_name not in _HASHES:
        raise Malformed("an SSH signature with an unknown hash")
    kind, raw_signature = _strings(signature, 2)
    if kind != _KEY_TYPE:
        raise Malformed("an SSH signature by another type of key than ssh-ed25519")
    return SshSignature(
        public=_read_key_blob(public),
        namespace=namespace,
        reserved=reserved,
        hash_name=hash_name,
        signature=raw_signature,
    )


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _strings(data: bytes, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        if len(data) < 4:
            raise Malformed("cut short")
        (length,) = struct.unpack(">I", data[:4])
        if len(data) < 4 + length:
            raise Malformed("cut short")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    if data:
        raise Malformed("bytes after the end")
    return found


def _key_blob(public: bytes) -> bytes:
    return _string(_KEY_TYPE) + _string(public)


def _read_key_blob(blob: bytes) -> bytes:
    kind, public = _strings(blob, 2)
    if kind != _KEY_TYPE or len(public) != RAW_LENGTH:
        raise Malformed("no ssh-ed25519 key")
    return public
