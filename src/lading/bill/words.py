"""Times and spans in words, for refusals."""

from datetime import UTC, datetime

_UNITS = ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))


def when(time: float) -> str:
    """Say a time (seconds since the epoch): ``2026-03-04 05:06 UTC``."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return f"{time:.0f} s after the epoch"


def span(seconds: float) -> str:
    """Say a span in its largest unit, rounded down: ``9 days``, ``1 hour``."""
    for size, unit in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "a moment"
