"""What limits a figure that misses its bar, found by profiling; the page tells it beside the true figure."""

LIMITS: dict[str, str] = {}
