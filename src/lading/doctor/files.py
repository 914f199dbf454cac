"""Files of the agent's home: who may reach them, and how large they have become."""

import grp
import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well
from lading.model.interface import SOCKET

KEYS = ("secrets/keys/age.key", "keys/agent.key")
SETTINGS = "agent.toml"
LOGS = ("agent.log*", "router/*.log*", "process/logs/*")
LARGE = 500_000_000  # bytes of all logs


def home(place: Path) -> Iterator[Finding]:
    """Look at the owner and the mode of the home."""
    if not place.exists():
        yield well("home", f"{place} is not there yet: no agent has run")
        return
    at = place.stat()
    mode = stat.S_IMODE(at.st_mode)
    if at.st_uid != os.geteuid() and os.geteuid() != 0:
        yield found("home-owner", "home", f"{place} belongs to user {at.st_uid}")
    elif mode & 0o066:
        yield found("home-open", "home", f"{place} has mode {mode:04o}", f"chmod 711 {place}")
    else:
        yield well("home", f"{place}, mode {mode:04o}")


def keys(place: Path) -> Iterator[Finding]:
    """Look at the modes of the keys."""
    there = [place / name for name in KEYS if (place / name).exists()]
    for path in there:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield found(
                "key-open", "keys", f"{path} has mode {mode:04o}", f"chmod 600 {path}; then change what it opens"
            )
            return
    if there:
        yield well("keys", f"{len(there)} for their owner alone")


def socket(place: Path) -> Iterator[Finding]:
    """Look at the mode of the agent's socket."""
    path = place / SOCKET
    if not path.exists():
        return
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    group = _group_of(place)
    if mode == 0o660 and group and status.st_gid == _number_of(group):
        yield well("socket", f"for its owner and the group {group}, as agent.toml says")
    elif mode & 0o077:
        yield found("socket-open", "socket", f"{path} has mode {mode:04o}")
    else:
        yield well("socket", "for its owner alone")


def _group_of(place: Path) -> str:
    try:
        return str(tomllib.loads((place / SETTINGS).read_text()).get("group", ""))
    except (OSError, ValueError):
        return ""


def _number_of(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return -1


def logs(place: Path) -> Iterator[Finding]:
    """Add up the logs."""
    sizes = {path: path.stat().st_size for pattern in LOGS for path in place.glob(pattern) if path.is_file()}
    total = sum(sizes.values())
    text = f"{total / 1e6:.1f} MB in {len(sizes)} file{'' if len(sizes) == 1 else 's'}"
    if total > LARGE:
        largest = max(sizes, key=lambda path: sizes[path])
        yield found("logs-large", "logs", f"{text}; the largest is {largest}")
    elif sizes:
        yield well("logs", text)
