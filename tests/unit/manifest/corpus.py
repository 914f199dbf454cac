"""The corpus of broken manifests, each beside the messages it must give.

``python -m tests.unit.manifest.corpus`` writes the messages anew; read the difference as somebody who has to mend one.
"""

import sys
from pathlib import Path

from lading.manifest import load
from lading.model.errors import LadingError

BROKEN = Path(__file__).parent / "broken"


def corpus() -> list[Path]:
    """Return every broken manifest."""
    return sorted(BROKEN.glob("*.toml"))


def expected(path: Path) -> list[str]:
    """Return the messages that a broken manifest must give, a line each."""
    return path.with_suffix(".expected").read_text().splitlines()


def main() -> None:
    """Write the expected messages of the whole corpus."""
    for path in corpus():
        try:
            load(path)
        except LadingError as error:
            path.with_suffix(".expected").write_text("".join(f"{line}\n" for line in error.details))
        else:
            sys.stdout.write(f"{path.name} has no problem\n")


if __name__ == "__main__":
    main()
