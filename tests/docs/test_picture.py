"""The README's picture is one of this program, and of no machine in particular."""

import re
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from scripts.picture import AGENT, TARGET
from scripts.terminal_svg import Frame, Run, draw

from lading.cli.progress import COLOURS
from lading.model.plan import Plan

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"
STEPS = {str(step.__struct_config__.tag) for step in Plan.__annotations__["steps"].__args__[0].__args__}


def _lines(picture: str) -> list[str]:
    root = ET.fromstring(picture)
    return ["  ".join(span.text or "" for span in text) for text in root.iter(f"{SVG}text")]


def test_the_readme_shows_it_and_says_what_it_shows() -> None:
    """It stands in the README with words for who cannot see it."""
    found = re.search(r"!\[([^\]]{40,})\]\((docs/[a-z]+\.svg)\)", (ROOT / "README.md").read_text())
    assert found is not None
    assert (ROOT / found[2]).samefile(TARGET)


def test_it_shows_steps_that_there_are() -> None:
    """A step that is called otherwise today, or a mark that is not drawn any more: record it anew, make picture."""
    lines = _lines(TARGET.read_text())
    steps = {line.split()[1] for line in lines if line[:1] in COLOURS}
    assert len(steps) > 8
    assert steps <= STEPS
    assert any("probe requests lost" in line for line in lines)


def test_it_names_no_machine() -> None:
    """Neither a path nor the name of the machine it was recorded on."""
    text = TARGET.read_text()
    shown = "\n".join(_lines(text))
    assert f"signed by {AGENT}" in shown
    for word in (socket.gethostname(), "/root", "/home", "/tmp", "lading-bench"):
        assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", shown), word


def test_it_asks_for_nothing_from_outside() -> None:
    """No font, script or image has to be fetched to see it."""
    text = TARGET.read_text()
    assert "<script" not in text
    assert re.findall(r"(?:href|src)=\"(?!#)[^\"]*\"|url\((?!#)[^)]*\)", text) == []


@pytest.mark.parametrize("place", ['transform="translate(-300 0)"', "50.000%{transform:translateX(-150px)}"])
def test_a_recording_plays_and_stands_still_at_its_end(place: str) -> None:
    """Each frame has its time, and what cannot play shows the last one."""
    row = (Run(0, "<done>", "green bold"),)
    frames = [Frame(0.0, ()), Frame(6.0, (row,)), Frame(6.0, (row, row))]
    picture = draw(frames, columns=12, title="a & b")
    assert ET.fromstring(picture).tag == f"{SVG}svg"
    width = int(ET.fromstring(picture).attrib["width"])
    assert place.replace("300", str(2 * width)).replace("150", str(width)) in picture
    assert picture.count("&lt;done&gt;") == 1, "a line that stands in several frames is drawn once"
