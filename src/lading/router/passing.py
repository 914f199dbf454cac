"""The pass by which the agent's own checks get past an edge: a key of this root, worth something on this host only."""

import ipaddress
import os
import secrets
from pathlib import Path

from lading.model.environment import Pass
from lading.model.secret import Secret
from lading.router.guard import PASS_HEADER, pass_token
from lading.router.settings import RouterSettings

EVERYWHERE = ("0.0.0.0", "::")


def pass_key(root: Path) -> str:
    """Return the key from which the passes of all environments derive, made at the first use."""
    file = root / "pass.key"
    try:
        return file.read_text()
    except FileNotFoundError:
        made = root / f".pass.key.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_hex(32))
        try:
            os.link(made, file)  # whoever is first wins; the others read theirs
        except FileExistsError:
            pass
        finally:
            made.unlink()
        return file.read_text()


def pass_of(root: Path, environment: str) -> Pass:
    """Return the pass for one environment."""
    return Pass(headers={PASS_HEADER: Secret(pass_token(pass_key(root), environment))})


def own_addresses(settings: RouterSettings) -> tuple[str, ...]:
    """Return the addresses, besides loopback, from which this host asks its own router."""
    try:
        address = ipaddress.ip_address(settings.http_host)
    except ValueError:
        return ()
    return () if address.is_unspecified or address.is_loopback else (str(address),)


def probe_host(settings: RouterSettings) -> str:
    """Return the address at which this host asks its own router, as it stands in a URL."""
    host = settings.http_host if settings.http_host not in EVERYWHERE else "127.0.0.1"
    return f"[{host}]" if ":" in host else host
