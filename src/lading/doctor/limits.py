"""What the kernel lets this program do: open files, leave core files."""

import resource
from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well

FEW = 1024  # open files
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


def open_files(_home: Path) -> Iterator[Finding]:
    """Look at the limit of open files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < FEW:
        yield found("files-limit", "open files", f"at most {limit}")
    else:
        yield well("open files", "no limit" if limit == resource.RLIM_INFINITY else f"at most {limit:,}")


def core_files(_home: Path) -> Iterator[Finding]:
    """Look whether this program, and what it starts, may leave its memory on disk."""
    limit, _ = resource.getrlimit(resource.RLIMIT_CORE)
    if limit == 0:
        yield well("core files", "off")
    else:
        yield found("core-dumps", "core files", "allowed for the agent and what it starts")
