"""The reference pages are what the program says of itself."""

from pathlib import Path

import pytest

from lading.cli.reference import PAGES, PARTS, filled
from lading.model.errors import CODES
from lading.model.remedies import REMEDIES
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


@pytest.mark.parametrize("name", PARTS)
def test_the_made_part_of_a_page_is_up_to_date(name: str) -> None:
    """What stands between the marks is what the program says today: run ``python -m lading.cli.reference``."""
    text = (DOCS / name).read_text()
    assert text == filled(text, PARTS[name]())


def test_every_error_says_what_is_still_true_and_what_to_do() -> None:
    """A new code gets its row in REMEDIES of lading/model/remedies.py; one that is gone takes its row along."""
    assert [code for code in CODES if code not in REMEDIES] == []
    assert [code for code in REMEDIES if code not in CODES] == []
    assert [code for code, remedy in REMEDIES.items() if not (remedy.still and remedy.do)] == []
