"""What a laid-out tree held when it was laid out, to find whether it was changed since."""

import hashlib
import os
from collections.abc import Collection
from pathlib import Path

import msgspec

from lading.model import typed

# Files that Python would run or load if they appeared beside a release's own.
CODE_SUFFIXES = (".py", ".pyc", ".pth", ".so", ".pyd", ".egg-link")

BUFFER = 1 << 18  # bytes read at a time


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Every file's sha256 (hex) and every link's target by name, and the bytes of all files together."""

    files: dict[str, str]
    links: dict[str, str]
    size: int


def load(path: Path) -> Inventory:
    """Read an inventory; ``msgspec.DecodeError`` or OSError when it cannot be."""
    return typed.decode(path.read_bytes(), Inventory)


def difference(top: Path, inventory: Inventory, *, every_file: bool, besides: Collection[str] = ()) -> str:
    """Say in words what first differs between a tree and its inventory; empty when nothing does.

    All listed files are read and hashed. Added files count where ``every_file`` says so, else only those that Python
    would load: a program may write a log into its working directory, but not code. ``besides`` are known additions.
    """
    present = set(_names(top))
    known = inventory.files.keys() | inventory.links.keys()
    missing = min(known - present, default="")
    if missing:
        return f"{missing} is missing"
    added = (name for name in present - known if every_file or name.endswith(CODE_SUFFIXES))
    for name in sorted(added):
        if name not in besides:
            return f"{name} was added"
    return _changed(top, inventory)


def _names(top: Path) -> list[str]:
    names: list[str] = []
    length = len(str(top)) + 1
    pending = [str(top)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    names.append(entry.path[length:])
    return names


def _changed(top: Path, inventory: Inventory) -> str:
    base = f"{top}/"
    for name, target in inventory.links.items():
        path = base + name
        if not os.path.islink(path) or os.readlink(path) != target:
            return f"link {name} was changed"
    # One buffer for all: a fresh one for each file costs more than hashing most of them.
    buffer = memoryview(bytearray(BUFFER))
    for name, expected in inventory.files.items():
        if hash_file(base + name, buffer) != expected:
            return f"{name} was changed"
    return ""


def hash_file(path: str, buffer: memoryview) -> str:
    """Return the sha256 (hex) of a regular file, read by way of a buffer; empty for anything else or unreadable."""
    try:
        # Not blocking, lest a named pipe put in the file's place hold the check for ever.
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    hashed = hashlib.sha256()
    try:
        while size := os.readv(number, (buffer,)):
            hashed.update(buffer[:size])
    except OSError:
        return ""
    finally:
        os.close(number)
    return hashed.hexdigest()
