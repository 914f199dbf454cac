"""The campaign: each tool in turn, then the table of all of them."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.figures import at_most, save_table
from benchmarks.house import ROOT
from benchmarks.peers import compose, images, own, rolling, swarm
from benchmarks.peers.trial import QUOTED, TURNS, Row, carry_out, cells
from tests.containers import why_not
from tests.engines import in_own_space

COMMAND = "python -m benchmarks.run bench peers"
HEAD = (
    "tool",
    "deploy: first v2 answer, s",
    "requests lost",
    "rollback: first v1 answer, s",
    "bad release",
    "client killed mid-deploy",
)


def carry_out_all(turns: int = TURNS) -> list[dict[str, Any]]:
    """Try each tool in turn, and put them into one table."""
    if why_not():
        raise RuntimeError(f"containers cannot be measured here: {why_not()}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lading-peers-") as name:
        place = Path(name)
        place.chmod(0o711)
        images.build(place / "images")
        for tool in (own.Lading, compose.Recreate, rolling.Rollout):
            rows.append(_tried(tool.title, tool.missing(), lambda tool=tool: carry_out(tool, place, turns)))
        rows.append(_tried(swarm.Swarm.title, swarm.Swarm.missing(), lambda: _swarm(place, turns)))
    save_table("peers", HEAD, [cells(row) for row in (*rows, *QUOTED)])
    ours, others = rows[0], [row for row in rows[1:] if row.sent]
    found = [at_most("beside other tools: requests that Lading lost", ours.lost, "", 0, COMMAND, ours.sent)]
    if others:
        quickest, back = min(row.deploy for row in others), min(row.back for row in others)
        found += [
            at_most("Lading's deploy ÷ the quickest other tool's", ours.deploy / quickest, "", 1, COMMAND, turns),
            at_most("Lading's rollback ÷ the quickest other tool's", ours.back / back, "", 1, COMMAND, turns),
        ]
    return [figure.plain() for figure in found]


def _tried(title: str, missing: str, work: Any) -> Row:
    if missing:
        print(f"  {title} is left out: {missing}", flush=True)
        return Row(title, note=f"not measured: {missing}")
    print(f"  {title} …", flush=True)
    row: Row = work()
    print(f"    {' | '.join(cells(row))}", flush=True)
    return row


def _swarm(place: Path, turns: int) -> Row:
    """Try Swarm in a space and at an engine of its own: it will not have live-restore."""
    out = place / "swarm.json"
    images.keep(place / "images.tar")
    words = in_own_space("benchmarks.peers.swarm", str(place), str(out), str(turns))
    subprocess.run(words, cwd=ROOT, check=True)
    return Row(**json.loads(out.read_text()))
