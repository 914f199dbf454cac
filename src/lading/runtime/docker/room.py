"""How much room an engine has, and what of it could be had back."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lading.docker import Engine
from lading.model.release import Layer
from lading.ports.runtime import Room
from lading.runtime.docker.names import Names

# How often a layer's plain bytes lie on a disk while it is loaded: unpacked for it, and laid out. Where the agent's
# home is on that disk too, the archive that is handed over comes on top.
TIMES = 2
NAMED = 5  # images that are named as those that could go


def room(engine: Engine, root: Path, home: Path, known: Names, needed: int) -> Room:
    """Return the room for ``needed`` plain bytes of layers at ``root``, where the engine keeps what it has."""
    at = os.statvfs(root)
    times = TIMES + (os.stat(root).st_dev == os.stat(home).st_dev)
    short = at.f_bavail * at.f_frsize < needed * times
    return Room(
        needed=needed * times,
        free=at.f_bavail * at.f_frsize,
        place=str(root),
        could_go=_unused(engine, known) if short else (),
    )


def _unused(engine: Engine, known: Names) -> tuple[str, ...]:
    """Return the largest images that no container uses and that are none of this agent's, which prunes its own."""
    used = {entry["ImageID"] for entry in engine.get("/containers/json", all=True)}
    own = known.repository("")
    free = [
        image
        for image in engine.get("/images/json")
        if image["Id"] not in used and not any(tag.startswith(own) for tag in image["RepoTags"] or ())
    ]
    free.sort(key=lambda image: -int(image["Size"]))
    return tuple(_name(image) for image in free[:NAMED])


def _name(image: dict[str, Any]) -> str:
    tags: Sequence[str] = [tag for tag in image["RepoTags"] or () if "<none>" not in tag]
    return tags[0] if tags else str(image["Id"]).removeprefix("sha256:")[:12]


def unknown_size(layer: Layer) -> int:
    """Return what a layer may take whose plain size nobody has written down."""
    return layer.size * 4
