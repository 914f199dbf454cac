"""Run campaigns, keep their results, and make docs/figures.md anew.

``python -m benchmarks.run bench [NAME…]`` · ``python -m benchmarks.run chaos [NAME…]``
"""

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import figures
from benchmarks.limits import LIMITS

CAMPAIGNS = {
    "bench": (
        "cutovers",
        "hold",
        "overhead",
        "cli",
        "memory",
        "build",
        "first",
        "canary",
        "manifests",
        "hosts",
        "containers",
        "container_hosts",
        "five_projects",
        "peers",
    ),
    "chaos": (
        "chaos_matrix",
        "chaos_faults",
        "chaos_kills",
        "chaos_calamities",
        "chaos_containers.cuts",
        "chaos_containers.disks",
        "chaos_containers.befalls",
        "chaos_containers.faults",
    ),
}
ORDER = tuple(name for names in CAMPAIGNS.values() for name in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the exit status is 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("what", choices=CAMPAIGNS)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these of the campaigns")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - set(CAMPAIGNS[given.what])
    if unknown:
        parser.error(f"{given.what} has no {', '.join(sorted(unknown))}; it has {', '.join(CAMPAIGNS[given.what])}")
    missed = 0
    for name in given.names or CAMPAIGNS[given.what]:
        missed += _campaign(name)
    return 1 if missed else 0


def _campaign(name: str) -> int:
    """Run one campaign, or the part of one that stands behind a point; return how many of its bars were missed."""
    print(f"{name} …", flush=True)
    began = time.monotonic()
    module, _, part = name.partition(".")
    measure = importlib.import_module(f"benchmarks.{module}").measure
    rows: list[dict[str, Any]] = measure(part) if part else measure()
    figures.save(name, rows)
    write_page()
    for row in rows:
        print(f"  {_mark(row)} {row['figure']}: {row['value']} {row['unit']} (bar {row['bar'] or '–'}, n {row['n']})")
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return sum(row["holds"] is False for row in rows)


def _mark(row: dict[str, Any]) -> str:
    return {True: "✓", False: "✗", None: " "}[row["holds"]]


def write_page() -> None:
    """Make docs/figures.md of all kept results."""
    text = figures.page(figures.load_all(ORDER), figures.machine(), LIMITS, figures.load_table("peers"))
    figures.PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
