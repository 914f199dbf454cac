"""What became of a database's revision, in a line."""

import pytest

from lading.engine.acts.rehearse import change_text

OLD = tuple(f"auth.{number:04}" for number in range(19))


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ((), (), "migrated"),
        ((), ("0001",), "nothing → 0001"),
        (("0001",), ("0002",), "0001 → 0002"),
        (("0001",), ("0001",), "0001 stays"),
        (("a", "b"), ("merged",), "a, b → merged"),
        ((), OLD, "nothing → 19 migrations"),
        (OLD, (*OLD, "club.0002_telephone"), "+ club.0002_telephone"),
        (OLD[:1], OLD, "+ 18 migrations"),
        (OLD, OLD[:-1], "auth.0018 → 18 migrations"),
    ],
)
def test_a_change_fits_a_line(before: tuple[str, ...], after: tuple[str, ...], text: str) -> None:
    """Alembic names one revision; Django notes all that were ever applied, of which the new ones are of interest."""
    assert change_text(before, after) == text
