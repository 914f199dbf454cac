"""Which process a number means: standard library only, because the socket holder must stay small."""

import json
import os
from pathlib import Path
from typing import Any

# Raised when holder and agent understand each other no longer: an older holder is then replaced, Traefik stays.
PROTOCOL = 2

RECORD = b"# routes: "  # how the first line of the router's file begins, the record of all routes


def boot_id() -> str:
    """Return the name of this boot of the machine: process numbers mean nothing beyond it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot; None when it does not run (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The program's name stands in parentheses and may hold any character, so count from the last one.
    fields = stat.rpartition(b")")[2].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def is_running(pid: int, started: int | None) -> bool:
    """Tell whether the very process that started then still runs."""
    return pid > 0 and started is not None and start_time(pid) == started


def left_running(before: dict[str, Any], what: str) -> tuple[int, int] | None:
    """Return a process of an earlier holder's state that runs on, such as its ``router``."""
    if not before.get(what) or before.get("boot") != boot_id():
        return None
    pid, started = before[what]
    return (pid, started) if is_running(pid, started) else None


def write_whole(path: Path, data: bytes, *, scratch: Path | None = None) -> None:
    """Replace a file so that a reader, or a crash, sees the old bytes or the new, never a part.

    ``scratch`` is the directory for the unfinished file where somebody watches the one of ``path``.
    """
    temporary = (scratch or path.parent) / f".{path.name}.{os.getpid()}.new"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file, an empty one when there is none or it is not whole.

    Raise OSError for one that is there and cannot be read just now: what it says must not be taken for nothing.
    """
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
