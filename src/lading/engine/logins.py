"""Logins for basic auth: read from a secret's lines ``user:password``, and hashed before anybody else sees them."""

import base64
import hashlib
import re

from lading.model.secret import Secret

# The router verifies a login anew for every request, so the hash is dear enough for a stolen file (4 ms a try, and the
# file is its owner's alone) and cheap enough for a page of fifty parts.
ROUNDS = 6  # powers of two

LONGEST_PASSWORD = 72  # bytes; bcrypt sees no more
_USER = re.compile(r"[!-9;-z|~]{1,64}")
_TO_BCRYPT = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
)


def logins_of(secret: Secret) -> list[tuple[str, str]]:
    """Return user and password of every line; empty lines are passed over.

    Raise ValueError, with the number of the line and nothing of what it holds, where one is no login.
    """
    lines = [(number, line.strip()) for number, line in enumerate(secret.reveal().splitlines(), start=1)]
    logins = [_login(number, line) for number, line in lines if line]
    if not logins:
        raise ValueError("it has no line of the form user:password")
    users = [user for user, _ in logins]
    if len(set(users)) != len(users):
        raise ValueError("two of its lines have the same user")
    return logins


def _login(number: int, line: str) -> tuple[str, str]:
    user, colon, password = line.partition(":")
    if not colon or not password:
        raise ValueError(f"its line {number} is not of the form user:password")
    if not _USER.fullmatch(user):
        raise ValueError(f"the user in its line {number} has other characters than letters, digits and plain signs")
    if len(password.encode()) > LONGEST_PASSWORD:
        raise ValueError(f"the password in its line {number} is longer than {LONGEST_PASSWORD} bytes")
    return user, password


def hashed(secret: Secret, whose: str) -> tuple[str, ...]:
    """Return lines of ``user:hash`` for the router; the same secret of the same owner gives the same lines.

    Raise ValueError as :func:`logins_of` does.
    """
    import bcrypt

    def one(user: str, password: str) -> str:
        # A salt by chance would make new routes of those that stand, each time they are looked at.
        salt = base64.b64encode(hashlib.sha256(f"{whose}\0{user}".encode()).digest()[:16]).decode().rstrip("=")
        setting = f"$2b${ROUNDS:02d}${salt.translate(_TO_BCRYPT)}"
        return f"{user}:{bcrypt.hashpw(password.encode(), setting.encode()).decode()}"

    return tuple(one(user, password) for user, password in logins_of(secret))
