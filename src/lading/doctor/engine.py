"""The container engine of a host: its version, whether its restart stops containers, and the space where images lie."""

from collections.abc import Iterator
from typing import NamedTuple

from lading.doctor.finding import Finding, found, well
from lading.doctor.kinds import KINDS
from lading.doctor.space import FULL, LOW

OLDEST = (20, 10)


class EngineSeen(NamedTuple):
    """What an engine says of itself: version, live-restore, part of a swarm, its directory and free bytes there."""

    version: str
    restores: bool
    swarm: bool
    root: str
    free: int


def look(seen: EngineSeen) -> Iterator[Finding]:
    """Judge what was seen of an engine that answers."""
    if _numbers(seen.version) < OLDEST:
        yield found("engine-old", "engine", f"Docker {seen.version}")
    elif seen.restores:
        yield well("engine", f"Docker {seen.version}, live-restore is on")
    elif seen.swarm:
        yield found("engine-swarm", "engine", f"Docker {seen.version} is part of a swarm")
    else:
        yield found("engine-stops-all", "engine", f"Docker {seen.version}, live-restore is off")
    text = f"{seen.free / 1e9:.1f} GB free at {seen.root}"
    if seen.free < FULL:
        yield found("engine-disk-full", "images", text)
    elif seen.free < LOW:
        yield found("disk-low", "images", text, KINDS["engine-disk-full"].remedy)
    else:
        yield well("images", text)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
