"""Numbers, times and sizes as people read them."""

import time

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


def seconds(value: float) -> str:
    """Return a duration: ``0.1 s``, ``2 min 5 s``, ``3 h 4 min``, ``7 d``."""
    if value < MINUTE:
        return f"{value:.1f} s"
    if value < HOUR:
        return f"{int(value // MINUTE)} min {int(value % MINUTE)} s"
    if value < DAY:
        return f"{int(value // HOUR)} h {int(value % HOUR // MINUTE)} min"
    hours = int(value % DAY // HOUR)
    return f"{int(value // DAY)} d {hours} h" if hours else f"{int(value // DAY)} d"


def clock(value: float) -> str:
    """Return a running duration: ``0:14``."""
    return f"{int(value // MINUTE)}:{int(value % MINUTE):02d}"


def age(then: float, now: float | None = None) -> str:
    """Return how long ago a moment (seconds since the epoch) was: ``12 min ago``."""
    passed = max(0.0, (time.time() if now is None else now) - then)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if passed >= unit:
            return f"{int(passed // unit)} {name} ago"
    return f"{int(passed)} s ago"


def size(count: int) -> str:
    """Return a number of bytes: ``2.1 MB``."""
    value = float(count)
    for unit in ("B", "KB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def count(number: int, noun: str) -> str:
    """Return a counted noun: ``1 gate``, ``3,412 gates``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short(digest: str) -> str:
    """Shorten a digest: ``sha256:4f1c…``."""
    return digest[: len("sha256:") + 4] + "…" if digest else ""


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def duration(text: str) -> float:
    """Read a duration such as ``7d``, ``90s`` or ``1h`` as seconds; ValueError when it is none."""
    units = {"s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}
    if text[-1:] not in units:
        raise ValueError(f"{text!r} is no duration such as 90s, 30m, 12h or 7d")
    return float(text[:-1]) * units[text[-1]]
