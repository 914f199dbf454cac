"""Whether the disk of the agent's home is encrypted by the host: dm-crypt (LUKS) below its mount."""

import os
from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well
from lading.doctor.space import nearest

SYS = Path("/sys/dev/block")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})


def at_rest(home: Path, mounts: Path = Path("/proc/self/mountinfo"), sys: Path = SYS) -> Iterator[Finding]:
    """Follow the home's mount down to its disks; only Linux tells, and never what a provider does beneath them."""
    if not mounts.exists():
        return
    number, kind = _mount(nearest(home).resolve(), mounts)
    if kind in IN_MEMORY:
        yield well("encryption at rest", "the home lies in memory")
    elif _is_encrypted(sys / number):
        yield well("encryption at rest", "the home's volume is encrypted (dm-crypt)")
    else:
        yield found("unencrypted", "encryption at rest", f"no dm-crypt below the mount of {home} ({kind})")


def _mount(place: Path, mounts: Path) -> tuple[str, str]:
    """Return ``major:minor`` and the file system of the mount that holds a place: the longest mount point above it."""
    best, answer = -1, ("", "unknown")
    for line in mounts.read_text().splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        point = Path(fields[4].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, answer = len(point.parts), (fields[2], after.split()[0])
    return answer


def _is_encrypted(device: Path) -> bool:
    try:
        uuid = (device / "dm" / "uuid").read_text()
    except OSError:
        uuid = ""
    if uuid.startswith("CRYPT-"):
        return True
    beneath = _beneath(device)
    return bool(beneath) and all(_is_encrypted(one) for one in beneath)


def _beneath(device: Path) -> list[Path]:
    """Return the devices that a device is made of: those of a volume group or RAID, else the disk of a partition."""
    slaves = device / "slaves"
    names = sorted(os.listdir(slaves)) if slaves.is_dir() else []
    return [slaves / name for name in names]
