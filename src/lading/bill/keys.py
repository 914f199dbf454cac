"""The agent's own key: made at first use, replaced by introduction, or made anew when it is lost."""

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lading.bill.rotation import OVERLAP, introduction, replaced_by
from lading.bill.sshkeys import RAW_LENGTH, fingerprint, public_line
from lading.bill.statement import (
    Malformed,
    envelope_json,
    payload_of,
    pre_authentication_encoding,
    read_envelope,
    seal,
    to_base64,
    unbase64,
)
from lading.bill.verify import AGENT
from lading.model.bill import PAYLOAD_TYPE, Envelope, Statement, TrustedKey
from lading.model.errors import LadingError

KEY_FILE = "agent.key"

# Introductions of later keys stand as lines above the key in its file, so that one rename replaces both or neither.
_INTRODUCTION = "introduction: "

# An unencrypted ed25519 key in PKCS #8 is this and 32 bytes of seed; openssl and cosign read it.
_PEM_BEGIN = "-----BEGIN PRIVATE KEY-----"
_PEM_END = "-----END PRIVATE KEY-----"
_PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")


class FileSigner:
    """Signs with the ed25519 key in a file (PEM, mode 0600), which is made at first use.

    Two processes that start at once end up with the same key. Errors are ``LadingError("bill")``.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._lock = threading.Lock()
        self._seed: bytes | None = None
        self._public: bytes | None = None

    def __repr__(self) -> str:
        return f"FileSigner({str(self._path)!r}, {self._name!r})"

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as ``ssh-keygen -lf`` shows it for the public key."""
        return fingerprint(self.public)

    @property
    def name(self) -> str:
        """The agent's name as it stands in statements."""
        return self._name

    @property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self._load()[1]

    @property
    def public_line(self) -> str:
        """The public key as a line of SSH."""
        return public_line(self.public, self._name)

    @property
    def public_pem(self) -> str:
        """The public key as PEM, for openssl and cosign."""
        return _pem(_SPKI_PREFIX + self.public, "PUBLIC KEY")

    def trusted_key(self, now: float) -> TrustedKey:
        """Return the key as the agent itself believes it, ``added`` now (seconds since the epoch)."""
        return TrustedKey(
            fingerprint=self.fingerprint, public=to_base64(self.public), name=self._name, role=AGENT, added=now
        )

    def sign(self, statement: Statement) -> Envelope:
        """Sign a statement in the agent's name; the same statement gives the same envelope.

        Raise ``bill`` when the statement names another signer, or the key cannot be read or made.
        """
        if statement.signer not in ("", self._name):
            raise LadingError(
                "bill",
                doing=f"signing {statement.gate} of {statement.project}@{statement.version}",
                happened=f"the statement names {statement.signer} as its signer, and this key is {self._name}'s",
                now="nothing was signed",
                hint="leave the signer out, or let that agent sign",
            )
        payload = payload_of(msgspec.structs.replace(statement, signer=self._name))
        seed, public = self._load()
        return seal(payload, fingerprint(public), _sign(seed, pre_authentication_encoding(PAYLOAD_TYPE, payload)))

    def _load(self) -> tuple[bytes, bytes]:
        with self._lock:
            if self._seed is None or self._public is None:
                self._seed = _read_or_make(self._path)
                self._public = _public_of(self._seed)
            return self._seed, self._public


class KeyRing:
    """The keys directory of one agent: its signing key, and how that key is replaced.

    ``root`` is made with mode 0700. After :meth:`rotate` or :meth:`recover`, :attr:`signer` signs with the new key.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._root = root
        self._name = name
        self._signer = FileSigner(root / KEY_FILE, name)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"KeyRing({str(self._root)!r}, {self._name!r})"

    @property
    def signer(self) -> FileSigner:
        """The signer with the key now in force."""
        return self._signer

    def rotate(self, now: float, overlap: float = OVERLAP) -> Envelope:
        """Replace the key and return the introduction of the new one, signed by the old.

        Other agents that are shown the introduction believe both keys until ``now + overlap`` (seconds), then the
        new one. The old private key is destroyed. Key and introduction are replaced together or not at all.
        """
        with self._lock:
            old, seed = self._signer, secrets.token_bytes(RAW_LENGTH)
            envelope = old.sign(introduction(self._name, old.public, _public_of(seed), now, overlap))
            self._take(seed, (*self.introductions(), envelope))
            return envelope

    def recover(self) -> str:
        """Make a new key without the old one, for a key that was lost or stolen, and return its fingerprint.

        Nobody believes the new key until it is pinned by hand (``lading trust add``).
        """
        with self._lock:
            self._take(secrets.token_bytes(RAW_LENGTH), ())
            return self._signer.fingerprint

    def introductions(self) -> tuple[Envelope, ...]:
        """Return the introductions of this agent's later keys, oldest first, to travel with every bill."""
        path = self._root / KEY_FILE
        lines = _text_of(path).splitlines() if path.exists() else []
        told = [line.removeprefix(_INTRODUCTION) for line in lines if line.startswith(_INTRODUCTION)]
        try:
            return tuple(read_envelope(text) for text in told)
        except Malformed as error:
            raise _unusable(path, f"an introduction in it is damaged: {error}", "restore it from a backup") from error

    def earlier(self) -> tuple[TrustedKey, ...]:
        """Return the agent's own replaced keys, each believed until its overlap ends, so that its bills stay whole."""
        return tuple(replaced_by(envelope) for envelope in self.introductions())

    def _take(self, seed: bytes, introductions: tuple[Envelope, ...]) -> None:
        path = self._root / KEY_FILE
        lines = b"".join(_INTRODUCTION.encode() + envelope_json(one) + b"\n" for one in introductions)
        try:
            _make_directory(self._root)
            _replace(path, lines + _private_pem(seed))
            # From here on the file holds the new key, whether or not the directory's own write is confirmed.
            self._signer = FileSigner(path, self._name)
            _sync_directory(self._root)
        except OSError as error:
            raise _unusable(path, str(error), "check the directory's owner and free space") from error


def _sign(seed: bytes, message: bytes) -> bytes:
    # Imported where used: eight megabytes that an idle agent does without.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def _public_of(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def _read_or_make(path: Path) -> bytes:
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise _unusable(path, str(error), "check the directory's owner and free space") from error
    if mode & 0o077:
        raise _unusable(path, f"others may read it (mode {mode:04o})", f"chmod 600 {path}")
    return _seed_in(path, _text_of(path))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error), "check the directory's owner, or restore it from a backup") from error


def _seed_in(path: Path, text: str) -> bytes:
    _, _, after = text.partition(_PEM_BEGIN)
    body, _, _ = after.partition(_PEM_END)
    try:
        der = unbase64("".join(body.split()))
    except Malformed:
        der = b""
    if len(der) != len(_PKCS8_PREFIX) + RAW_LENGTH or not der.startswith(_PKCS8_PREFIX):
        raise _unusable(
            path, "it holds no ed25519 private key in PEM", "restore it from a backup, or: lading trust recover"
        )
    return der[len(_PKCS8_PREFIX) :]


def _make(path: Path) -> None:
    _make_directory(path.parent)
    with _temporary(path, _private_pem(secrets.token_bytes(RAW_LENGTH))) as temporary:
        # A link fails where a rename would replace the key that another process has just made.
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    _sync_directory(path.parent)


def _replace(path: Path, data: bytes) -> None:
    with _temporary(path, data) as temporary:
        os.replace(temporary, path)


@contextlib.contextmanager
def _temporary(path: Path, data: bytes) -> Iterator[Path]:
    """Give a private file beside ``path`` with ``data`` on disk; it is gone afterwards, whatever happens."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _make_directory(path: Path) -> None:
    # One by one: mkdir gives the parents it makes along the way the umask's mode, not this one.
    if not path.parent.exists():
        _make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _private_pem(seed: bytes) -> bytes:
    return _pem(_PKCS8_PREFIX + seed, "PRIVATE KEY").encode()


def _pem(der: bytes, label: str) -> str:
    return f"-----BEGIN {label}-----\n{to_base64(der)}\n-----END {label}-----\n"


def _unusable(path: Path, why: str, hint: str) -> LadingError:
    return LadingError(
        "bill",
        doing="signing a statement",
        happened=f"the agent's key {path} cannot be used: {why}",
        now="nothing was signed; what serves is untouched",
        hint=hint,
    )
