"""The tutorial and the guides, walked by a machine: from an empty directory to what each of them promises."""

import re
from pathlib import Path

import pytest

from tests.walker import ROOT, reader, walk

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

MOST = 12  # commands of Lading in the tutorial's hour; git's are typed anyway
LADING = re.compile(r"(?:^|\| |&& )lading ")
TUTORIAL = ROOT / "docs" / "tutorial.md"
GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_works_as_written(guide: Path, tmp_path: Path) -> None:
    """Every file, edit and command of a guide works in its order and prints what the guide shows."""
    project = tmp_path / guide.stem
    project.mkdir()
    with reader(tmp_path) as environment:
        typed = walk(guide.read_text(), project, environment)
    assert len(typed) > 5


def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    """A stranger's first hour: from a repository to production and back, in twelve commands of Lading at most."""
    project = tmp_path / "guestbook"
    project.mkdir()
    with reader(tmp_path) as environment:
        typed = walk(TUTORIAL.read_text(), project, environment)
    assert sum(len(LADING.findall(words)) for words in typed) <= MOST
    assert typed[-1].startswith("lading agent stop")
