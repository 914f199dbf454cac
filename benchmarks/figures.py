"""Figures and their bars: one result, the files that keep results, and the table made of all of them."""

import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
TABLES = RESULTS / "tables"
PAGE = ROOT / "docs" / "figures.md"

KEYS = ("figure", "value", "unit", "bar", "holds", "command", "n")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured figure. ``bar`` says in words what is demanded; None: it is told for information only."""

    figure: str
    value: float
    unit: str
    bar: str | None
    holds: bool | None
    command: str
    n: int

    def plain(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def at_most(figure: str, value: float, unit: str, limit: float, command: str, n: int) -> Figure:
    """Return a figure that holds when its value, as it is told, is not above the limit."""
    rounded = rounded_value(value)
    return Figure(figure, rounded, unit, f"≤ {limit:g}" if limit else "0", rounded <= limit, command, n)


def at_least(figure: str, value: float, unit: str, limit: float, command: str, n: int) -> Figure:
    """Return a figure that holds when its value, as it is told, is not below the limit."""
    rounded = rounded_value(value)
    return Figure(figure, rounded, unit, f"≥ {limit:g}", rounded >= limit, command, n)


def told(figure: str, value: float, unit: str, command: str, n: int) -> Figure:
    """Return a figure that has no bar."""
    return Figure(figure, rounded_value(value), unit, None, None, command, n)


def rounded_value(value: float) -> float:
    """Return the value with at most three decimals; whole numbers stay whole."""
    return value if isinstance(value, int) else round(value, 3)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


# keeping


def save(name: str, figures: Iterable[Mapping[str, Any]], folder: Path = RESULTS) -> Path:
    """Write the results of a campaign, whole or not at all."""
    rows = [{key: figure[key] for key in KEYS} for figure in figures]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    half = path.with_suffix(".part")
    half.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", "utf-8")
    half.replace(path)
    return path


def load_all(order: Sequence[str], folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Return all kept results, the named campaigns first and in their order."""
    names = {path.stem for path in folder.glob("*.json")}
    known = [name for name in order if name in names]
    rows: list[dict[str, Any]] = []
    for name in (*known, *sorted(names - set(known))):
        rows += json.loads((folder / f"{name}.json").read_text("utf-8"))
    return rows


def save_table(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], folder: Path = TABLES) -> Path:
    """Write a table of words, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    half = path.with_suffix(".part")
    half.write_text(json.dumps({"head": head, "rows": rows}, indent=2, ensure_ascii=False) + "\n", "utf-8")
    half.replace(path)
    return path


def load_table(name: str, folder: Path = TABLES) -> dict[str, Any] | None:
    """Return a table that was kept, None when there is none."""
    path = folder / f"{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text("utf-8")) if path.exists() else None
    return found


# the page

HEAD = """\
# Figures

Made by `make bench` and `make chaos`; do not edit. Each call runs the real thing again: a temporary home with an agent
of its own, started and driven through the installed `lading` command, the example application `examples/cashback` with
its whole smoke suite, real processes and the real router, all on loopback. What is told of *containers* runs on a real
engine: a small program as an image (`benchmarks/till`), ready one second after its start by its own choice; the *floor*
is a container like the one that serves, made and started by hand, until it is ready. Load comes from a separate
process: an open loop without retries, so a request that finds nobody is counted and not asked again. What is compared
is measured in turns within one run, and each part of a turn begins when nobody else works on the machine, at the latest
after 5 s.
`n` says how many times something was done or how many requests were counted; times are medians of them unless the
figure says otherwise.

Absolute times wobble with the machine and with whatever else it does; ratios, medians and counts are what to read.
Last run on {machine}.
"""

LIMITS = """
## Where a bar is missed

{lines}
"""


BESIDE = """
## Beside other tools

One run, the same images and load: 240 requests a second in an open loop without retries, half of them over kept
connections, a third answered after 50 ms, a fifth writes. Deploy and rollback are medians of several turns, from the
command to the first answer seen from outside; lost requests are those of all turns. The bad release is never ready;
where a tool has a deadline for it, that is 30 s. The client is killed as soon as a container of the new release was
made; what is told was seen 15 s later, and again after the same command was given once more. HAProxy is told to try
again where a server fails, as those who use it so do. What is *quoted* cannot be had from the registries that this
project uses; those figures are from an earlier measurement of our own, of the same kind.

{table}"""


def page(
    rows: Sequence[Mapping[str, Any]],
    machine: str,
    reasons: Mapping[str, str],
    beside: Mapping[str, Any] | None = None,
) -> str:
    """Return the Markdown page; ``reasons`` says, by figure, what limits one that misses its bar.

    ``beside`` is the table of other tools, where they were measured.
    """
    head = "| figure | bar | value | holds | n | command |\n|---|---|---|---|---|---|\n"
    table = head + "".join(_line(row) for row in rows)
    missed = [row for row in rows if row["holds"] is False]
    lines = "\n".join(f"* **{_cell(row['figure'])}**: {_value(row)}. {_reason(row, reasons)}" for row in missed)
    others = BESIDE.format(table=_table(beside)) if beside else ""
    return HEAD.format(machine=machine) + "\n" + table + others + (LIMITS.format(lines=lines) if missed else "")


def _table(told: Mapping[str, Any]) -> str:
    lines = [told["head"], ["---"] * len(told["head"]), *told["rows"]]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _reason(row: Mapping[str, Any], reasons: Mapping[str, str]) -> str:
    return reasons.get(row["figure"], "What limits it is not known yet.")


def _line(row: Mapping[str, Any]) -> str:
    holds = {True: "yes", False: "**no**", None: "–"}[row["holds"]]
    bar = "–" if row["bar"] is None else str(row["bar"])
    cells = (_cell(row["figure"]), _cell(bar), _value(row), holds, f"{row['n']:,}", f"`{_cell(row['command'])}`")
    return f"| {' | '.join(cells)} |\n"


def _value(row: Mapping[str, Any]) -> str:
    value = row["value"]
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")
    return _cell(f"{text} {row['unit']}".strip())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def machine() -> str:
    """Return what may be told of this machine: nothing that names it."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    memory = round(pages * size / 2**30)
    cores = os.cpu_count() or 1
    python = platform.python_version()
    return f"{cores} cores, {memory} GiB of memory, {platform.system()} on {platform.machine()}, Python {python}"
