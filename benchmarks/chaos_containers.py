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
from benchmarks.house import ROOT
from tests.containers import container_copy_of, make_image_template, why_not
from tests.engines import in_own_space, own_engine

AT = "real agents with containers"


def measure() -> list[dict[str, Any]]:
    """Cut connections to another machine; then build images here, and strike agents in a space of their own."""
    if why_not():
        raise RuntimeError(f"containers cannot be struck here: {why_not()}")
    chance = moments()
    found = [figure.plain() for figure in cuts(wanted("TIMES", 5) * 2, chance)]
    with ground() as root:
        make_image_template(root / "template")
        out = root / "figures.json"
        subprocess.run(in_own_space("benchmarks.chaos_containers", str(root), str(out)), cwd=ROOT, check=True)
        found += json.loads(out.read_text())
    return found


def strike_all(root: Path) -> list[dict[str, Any]]:
    """Strike, within the space: at every fault point first, then by what befalls containers."""
    template = root / "template"
    found = full_disks(template, root / "disk")
    with own_engine(root / "engine") as engine:
        found += befalls(template, root / "befalls", engine, wanted("TIMES", 5))
        found += real_faults(template, root / "faults", wanted("CASES", 0), moments(), container_copy_of, AT)
    return [figure.plain() for figure in found]


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(strike_all(Path(sys.argv[1]))))
