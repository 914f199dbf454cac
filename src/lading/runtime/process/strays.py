"""What is left of instances that nobody knows any more: processes, control groups."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from lading.runtime.process.identity import PROC, stat_of
from lading.runtime.process.records import file_name

MARK = b"LADING_INSTANCE="


def stray_processes(home: Path, known: Collection[str]) -> Iterator[str]:
    """Yield, in words, processes of instances of this home whose names are not known; those that may be looked at."""
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        variables = _variables(int(entry))
        name = next((one.removeprefix(MARK).decode() for one in variables if one.startswith(MARK)), None)
        # Another home's agent has instances of its own.
        mine = any(os.fsencode(home) in one for one in variables)
        if name is not None and mine and name not in known and _lives(int(entry)):
            yield f"process {entry} of {name}"


def stray_groups(folders: Collection[Path], known: Collection[str]) -> Iterator[str]:
    """Yield, in words, the control groups whose instance or run is not known."""
    names = {file_name(name) for name in known} | {file_name(f"run:{name}") for name in known}
    for folder in folders:
        if folder.is_dir():
            yield from (
                f"group {path}" for path in sorted(folder.iterdir()) if path.is_dir() and path.name not in names
            )


def _variables(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        # Gone meanwhile, or somebody else's.
        return []


def _lives(pid: int) -> bool:
    stat = stat_of(pid)
    return stat is not None and stat.state not in "ZXx"
