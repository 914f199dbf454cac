"""What the agent sees of its container engine, for its doctor."""

import os

from lading.docker import Engine
from lading.doctor.engine import EngineSeen


def engine_seen(engine: Engine, *, needed: bool) -> EngineSeen | None:
    """Ask the engine what it is; None where there is none and nothing ``needed`` it yet. Raise ``no-engine``."""
    if not needed and not os.path.exists(engine.path):
        return None
    said = engine.get("/info")
    root = str(said["DockerRootDir"])
    at = os.statvfs(root) if os.path.isdir(root) else os.statvfs("/")
    return EngineSeen(
        version=str(said["ServerVersion"]),
        restores=bool(said.get("LiveRestoreEnabled")),
        swarm=(said.get("Swarm") or {}).get("LocalNodeState") == "active",
        root=root,
        free=at.f_bavail * at.f_frsize,
    )
