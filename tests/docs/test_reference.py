"""The reference pages are what the program says of itself."""

from pathlib import Path

import pytest

from lading.cli.reference import PAGES
from lading.model.rollout import EXIT_OF_OUTCOME

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    """A changed command, option or error code changes the page: run ``python -m lading.cli.reference``."""
    assert (DOCS / name).read_text() == PAGES[name]()


def test_every_outcome_is_explained() -> None:
    """Each outcome that a rollout can have is on the page with its exit status."""
    page = PAGES["errors.md"]()
    for outcome, status in EXIT_OF_OUTCOME.items():
        assert f"| `{outcome}` | {status} |" in page
