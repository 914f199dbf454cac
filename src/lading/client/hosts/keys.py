"""Which key lets somebody in: the one that was used, or one that they name."""

import re
from pathlib import Path

from lading.client.ssh.connection import Connection
from lading.model.errors import LadingError

KINDS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-")
ACCEPTED = re.compile(r"Server accepts key: .* (SHA256:[A-Za-z0-9+/]+)")

# Prints the lines of authorized_keys whose fingerprint is $FINGERPRINT.
FIND = """
while IFS= read -r line; do
    case $line in "" | "#"*) continue ;; esac
    printf '%s\\n' "$line" | ssh-keygen -lf - 2>/dev/null | grep -qF "$FINGERPRINT" && printf '%s\\n' "$line"
done <"$HOME/.ssh/authorized_keys"
exit 0
"""


def used_key(connection: Connection) -> str:
    """Return the line of authorized_keys that let this user in; raise ``host-failed`` when it was something else."""
    found = ACCEPTED.findall(connection.loudly())
    if found:
        done = connection.run("sh -s", f"FINGERPRINT='{found[-1]}'\n{FIND}".encode())
        lines = done.out.decode(errors="replace").splitlines()
        if lines:
            return lines[0]
    raise LadingError(
        "host-failed",
        doing=f"finding the key that lets you in at {connection.host}",
        happened="it was not a key of ~/.ssh/authorized_keys there",
        now="nothing was changed there",
        hint="name the key of who is to deploy: --key ~/.ssh/id_ed25519.pub",
    )


def key_of(file: Path) -> str:
    """Return the public key in a file; raise ``usage`` when it holds none."""
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise _no_key(file, str(getattr(error, "strerror", None) or "it is no text")) from error
    if len(lines) != 1 or not lines[0].startswith(KINDS) or len(lines[0].split()) < 2:
        what = "it is a private key" if "PRIVATE KEY" in "".join(lines) else "it is not one line with a public key"
        raise _no_key(file, what)
    return lines[0]


def middle_of(key: str) -> str:
    """Return the word of a key that tells it from all others."""
    words = key.split()
    kind = next((index for index, word in enumerate(words) if word.startswith(KINDS)), 0)
    return words[min(kind + 1, len(words) - 1)]


def _no_key(file: Path, happened: str) -> LadingError:
    return LadingError(
        "usage",
        doing=f"reading the key in {file}",
        happened=happened,
        now="nothing was changed",
        hint="name the file of a public key, such as ~/.ssh/id_ed25519.pub",
    )
