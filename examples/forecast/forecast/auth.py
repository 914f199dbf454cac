"""Tokens: who logged in, until when, signed so that nobody else can make one."""

import base64
import hashlib
import hmac
import json
import time

LIFETIME = 3600.0  # seconds
OPERATOR = "operator"


def issue(key: str, now: float | None = None) -> str:
    """Return a token for the operator."""
    said = base64.urlsafe_b64encode(json.dumps({"sub": OPERATOR, "exp": (now or time.time()) + LIFETIME}).encode())
    return f"{said.decode()}.{_sign(key, said)}"


def holds(token: str, key: str, now: float | None = None) -> bool:
    """Tell whether a token was issued here and is still good."""
    said, _, signature = token.partition(".")
    if not hmac.compare_digest(_sign(key, said.encode()), signature):
        return False
    return float(json.loads(base64.urlsafe_b64decode(said))["exp"]) > (now or time.time())


def _sign(key: str, said: bytes) -> str:
    return hmac.new(key.encode(), said, hashlib.sha256).hexdigest()
