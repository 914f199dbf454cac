"""A directory out of an image's layers is what a container would see there."""

import tarfile
from pathlib import Path

from lading.build.picked import pick
from tests.unit.build.archives import Member, archive, member


def layer(path: Path, *members: Member) -> Path:
    path.write_bytes(archive(members))
    return path


def contents(layers: list[Path], directory: str = "/app/dist") -> dict[str, str]:
    tree = pick(layers, directory)
    return {name: entry.target or entry.read().decode() for name, entry in tree.items()}


def test_later_layers_lie_over_earlier_ones(tmp_path: Path) -> None:
    """What is written again, removed or replaced is seen as it is in the end."""
    first = layer(
        tmp_path / "1",
        member("app/dist/index.html", b"old"),
        member("app/dist/gone.js", b"gone"),
        member("app/dist/folder/a.js", b"a"),
        member("app/dist/emptied/b.js", b"b"),
        member("app/dist/file-or-folder/c.js", b"c"),
        member("app/distant.txt", b"elsewhere"),
    )
    second = layer(
        tmp_path / "2",
        member("./app/dist/index.html", b"new"),
        member("app/dist/.wh.gone.js"),
        member("app/dist/.wh.folder"),
        member("app/dist/emptied/d.js", b"d"),
        member("app/dist/emptied/.wh..wh..opq"),
        member("app/dist/file-or-folder", b"now a file"),
    )
    assert contents([first, second]) == {
        "index.html": "new",
        "emptied/d.js": "d",
        "file-or-folder": "now a file",
    }
    assert contents([first, second], "/app/dist/emptied/") == {"d.js": "d"}
    assert contents([first], "/app/nothing") == {}


def test_links_lead_nowhere_else(tmp_path: Path) -> None:
    """A hard link is the file that it names, wherever that lies; a symbolic one stays within or is left out."""
    links = layer(
        tmp_path / "1",
        member("srv/shared.css", b"css"),
        member("app/dist/style.css", kind=tarfile.LNKTYPE, target="srv/shared.css"),
        member("app/dist/start.html", kind=tarfile.SYMTYPE, target="index.html"),
        member("app/dist/passwd", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        member("app/dist/up", kind=tarfile.SYMTYPE, target="../../srv/shared.css"),
        member("app/dist/index.html", b"page"),
    )
    assert contents([links]) == {"style.css": "css", "start.html": "index.html", "index.html": "page"}


def test_the_whole_image_can_be_meant(tmp_path: Path) -> None:
    """An image that is nothing but the files."""
    assert contents([layer(tmp_path / "1", member("index.html", b"page"))], "/") == {"index.html": "page"}
