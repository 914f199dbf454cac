"""Who may ask: passwords are hashed, tokens are signed."""

import base64
import binascii
import hashlib
import hmac
import json
import os
import time

SMOKE_USER = "smoke"
TOKEN_SECONDS = 3600
ROUNDS = 1 << 14


def hash_password(password: str) -> str:
    """Return salt and scrypt hash of a password."""
    salt = os.urandom(16)
    return f"{salt.hex()}${_hashed(password, salt)}"


def matches(password: str, stored: str) -> bool:
    """Tell whether a password is the one whose hash is stored."""
    salt, _, expected = stored.partition("$")
    return hmac.compare_digest(_hashed(password, bytes.fromhex(salt)), expected)


def _hashed(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=ROUNDS, r=8, p=1).hex()


def same(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def make_token(user: str, key: str, now: float | None = None) -> str:
    """Return a token for a user that is valid for an hour."""
    ends = (time.time() if now is None else now) + TOKEN_SECONDS
    payload = _encoded(json.dumps({"sub": user, "exp": int(ends)}).encode())
    return f"{payload}.{_signature(payload, key)}"


def user_of(token: str, key: str, now: float | None = None) -> str | None:
    """Return whose token it is, None when it is forged, spoilt or over."""
    payload, _, signature = token.partition(".")
    if not same(signature, _signature(payload, key)):
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError):
        return None
    return str(claims["sub"]) if claims["exp"] > (time.time() if now is None else now) else None


def _signature(payload: str, key: str) -> str:
    return _encoded(hmac.digest(key.encode(), payload.encode(), "sha256"))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
