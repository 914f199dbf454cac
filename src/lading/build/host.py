"""What this host can run: its platform and its Python interpreters."""

import os
import platform
import shutil
import sys
from functools import cache
from pathlib import Path

from lading.model.release import Platform


@cache
def platform_here() -> Platform:
    """Return this host's platform: system, machine, C library with version, Python's minor version."""
    library, version = platform.libc_ver()
    return Platform(
        system=platform.system().lower(),
        machine=platform.machine(),
        libc=f"{library} {version}".strip(),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
    )


def find_interpreter(minor: str) -> Path | None:
    """Return a Python interpreter of this minor version (``3.11``), None when the host has none.

    The one that runs this program comes first, as built artifacts were compiled by it; then the PATH's.
    """
    name = f"python{minor}"
    candidates = [Path(sys.base_prefix, "bin", name)] if minor == platform_here().python else []
    candidates += [Path(found) for found in (shutil.which(name),) if found]
    candidates += [Path(directory, name) for directory in ("/usr/bin", "/usr/local/bin")]
    return next((path for path in candidates if os.access(path, os.X_OK)), None)
