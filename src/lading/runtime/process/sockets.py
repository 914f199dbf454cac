"""Connections as the kernel lists them."""

from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
ESTABLISHED = "01"


def established(port: int, tables: tuple[Path, ...] = TABLES) -> int:
    """Return how many connections to a local port are established; closing and lingering ones do not count."""
    return sum(_count(table, f":{port:04X}") for table in tables)


def _count(table: Path, suffix: str) -> int:
    try:
        lines = table.read_text().splitlines()[1:]
    except FileNotFoundError:  # a kernel without IPv6 has no second table
        return 0
    rows = (line.split(maxsplit=4) for line in lines)
    return sum(1 for row in rows if len(row) > 3 and row[1].endswith(suffix) and row[3] == ESTABLISHED)
