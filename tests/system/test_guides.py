"""The guides, walked by a machine: from an empty directory to what each of them promises."""

from pathlib import Path

import pytest

from tests.walker import ROOT, reader, walk

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_works_as_written(guide: Path, tmp_path: Path) -> None:
    """Every file, edit and command of a guide works in its order and prints what the guide shows."""
    project = tmp_path / guide.stem
    project.mkdir()
    with reader(tmp_path) as environment:
        typed = walk(guide.read_text(), project, environment)
    assert len(typed) > 5
