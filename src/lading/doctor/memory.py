"""Memory of the host."""

from collections.abc import Iterator
from pathlib import Path

from lading.doctor.finding import Finding, found, well

LOW = 200_000_000  # bytes


def free(_home: Path, meminfo: Path = Path("/proc/meminfo")) -> Iterator[Finding]:
    """Look at the memory that programs could still have; only Linux tells."""
    if not meminfo.exists():
        return
    numbers = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    available = int(numbers["MemAvailable"].split()[0]) * 1024
    text = f"{available / 1e9:.1f} GB of {int(numbers['MemTotal'].split()[0]) * 1024 / 1e9:.1f} GB available"
    yield found("memory-low", "memory", text) if available < LOW else well("memory", text)
