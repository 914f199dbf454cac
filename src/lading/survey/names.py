"""Names that a manifest takes."""

import re

from lading.manifest.words import NAME_PATTERN

LONGEST = 40  # characters


def valid_name(text: str) -> str:
    """Turn any text into a name that a manifest takes."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    plain = re.sub(r"^[^a-z]+", "", plain)[:LONGEST].strip("-")
    return plain if re.fullmatch(NAME_PATTERN, plain) else "app"
