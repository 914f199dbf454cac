"""Space and inodes where the agent's home lies."""

import os
from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well

FULL = 500_000_000  # bytes: a rollout needs a layer's size a few times over
LOW = 2_000_000_000  # bytes
FEW_INODES = 20_000  # a laid-out release has some thousands of files


def disk(home: Path) -> Iterator[Finding]:
    """Look at the free space."""
    place = nearest(home)
    at = os.statvfs(place)
    free = at.f_bavail * at.f_frsize
    text = f"{free / 1e9:.1f} GB free at {place}"
    if free < FULL:
        yield found("disk-full", "disk", text)
    elif free < LOW:
        yield found("disk-low", "disk", text)
    else:
        yield well("disk", text)


def inodes(home: Path) -> Iterator[Finding]:
    """Look at the free inodes; a file system without a fixed number has none to count."""
    at = os.statvfs(nearest(home))
    if at.f_files and at.f_favail < FEW_INODES:
        yield found("inodes-low", "inodes", f"{at.f_favail:,} of {at.f_files:,} inodes free")
    elif at.f_files:
        yield well("inodes", f"{at.f_favail:,} free")


def nearest(home: Path) -> Path:
    """Return the home, or the nearest directory above it that is there."""
    return next(place for place in (home, *home.parents) if place.exists())
