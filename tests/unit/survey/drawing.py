"""Writes what ``lading init`` should say of each shape anew: ``python -m tests.unit.survey.drawing``.

Look at what git diff says afterwards: every line of it is what a user will see.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lading.survey import draft, findings, next_steps, survey

SHAPES = Path(__file__).parent / "shapes"


def shapes() -> list[Path]:
    """Return the directory of each shape."""
    return sorted(path for path in SHAPES.iterdir() if path.is_dir())


def drawn(shape: Path, place: Path, *, migrations: bool = True) -> tuple[str, str]:
    """Return the manifest drafted for a shape's repository, copied to a place of its name, and what is said of it.

    ``migrations`` says whether this is a version that carries migrations out.
    """
    repository = place / shape.name
    shutil.copytree(shape / "repository", repository)
    found = survey(repository)
    drafted = draft(found, migrations=migrations)
    return drafted.text, "".join(f"{line}\n" for line in _said(found, drafted))


def _said(found, drafted) -> Iterator[str]:
    yield "found"
    yield from (f"  {one.subject}: {one.value} ({one.place})" for one in findings(found))
    yield "not sure"
    yield from (f"  {doubt}" for doubt in drafted.doubts)
    yield "next"
    yield from (f"  {step}" for step in next_steps(found, drafted, up=True))


def main() -> None:
    """Write the expected files of every shape."""
    for shape in shapes():
        with tempfile.TemporaryDirectory() as place:
            manifest, said = drawn(shape, Path(place))
        (shape / "lading.toml").write_text(manifest)
        (shape / "said.txt").write_text(said)
        sys.stdout.write(f"{shape.name}\n")


if __name__ == "__main__":
    main()
