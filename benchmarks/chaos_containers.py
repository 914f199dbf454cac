"""Kill it at every fault point with real containers, and what befalls them alone: their engine, network, memory, disk.

All of it happens at an engine of the campaign's own, in a network of its own (``tests/engines.py``): nobody else's
engine is killed. Images are built by the machine's engine before.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.chaos_befalls import befalls, full_disks
from benchmarks.chaos_cuts import cuts
from benchmarks.chaos_faults import real_faults
from benchmarks.chaos_ground import ground, moments, wanted
from benchmarks.figures import Figure
from benchmarks.house import ROOT
from tests.containers import container_copy_of, make_image_template, why_not
from tests.engines import in_own_space, own_engine

AT = "real agents with containers"


def measure(part: str) -> list[dict[str, Any]]:
    """Carry out one part: cut connections to another machine, or strike agents in a space of their own."""
    if why_not():
        raise RuntimeError(f"containers cannot be struck here: {why_not()}")
    if part == "cuts":
        return [figure.plain() for figure in cuts(wanted("TIMES", 5) * 2, moments())]
    with ground() as root:
        # Images are built before: in the space nobody reaches a registry of packages.
        make_image_template(root / "template")
        out = root / "figures.json"
        subprocess.run(in_own_space("benchmarks.chaos_containers", part, str(root), str(out)), cwd=ROOT, check=True)
        found: list[dict[str, Any]] = json.loads(out.read_text())
    return found


def strike(part: str, root: Path) -> list[Figure]:
    """Carry out a part within the space."""
    template = root / "template"
    if part == "disks":
        return full_disks(template, root / "disk")
    with own_engine(root / "engine") as engine:
        if part == "befalls":
            return befalls(template, root / "befalls", engine, wanted("TIMES", 5))
        return real_faults(template, root / "faults", wanted("CASES", 0), moments(), container_copy_of, AT)


if __name__ == "__main__":
    PART, ROOM, OUT = sys.argv[1:]
    Path(OUT).write_text(json.dumps([figure.plain() for figure in strike(PART, Path(ROOM))]))
