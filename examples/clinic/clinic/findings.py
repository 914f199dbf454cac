"""What a stage finds."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One finding: where, what kind, how bad (``note``, ``warning``, ``danger``), and in words."""

    file: str
    line: int
    kind: str
    grade: str
    text: str
