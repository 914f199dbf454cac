"""The README's ten minutes, walked by a machine: its files, its edits, its commands, and what they print."""

from pathlib import Path

import pytest

from tests.walker import ROOT, reader, section, walk

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_ten_minutes_work_as_written(tmp_path: Path) -> None:
    """Every file, edit and command of the README works in its order and prints what the README shows."""
    project = tmp_path / "hello"
    project.mkdir()
    with reader(tmp_path) as environment:
        typed = walk(section((ROOT / "README.md").read_text(), "Ten minutes to your own project"), project, environment)
    assert len(typed) > 15
