import os
from pathlib import Path

import pytest

from lading.checks.outputs import files_reason
from lading.ports.checks.expectations import BODY_LIMIT


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "secret.txt").write_text("outside")
    return tmp_path / "outputs"


def test_links_that_leave_do_not_pass(outputs: Path) -> None:
    """A symbolic link out of the outputs is refused, whether the file or a directory on the way is one."""
    (outputs / "link").symlink_to("../secret.txt")
    (outputs / "up").symlink_to("..")
    for path in ("link", "up/secret.txt", "up/outputs/../secret.txt", str(outputs.parent / "secret.txt")):
        assert files_reason(str(outputs), {path: True}) == f"output file {path} lies outside of the outputs"


def test_a_link_put_there_meanwhile_does_not_pass(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts is what was opened: a directory that becomes a link after it was looked at leads nowhere."""
    (outputs / "a").mkdir()
    (outputs / "a" / "secret.txt").write_text("inside")
    resolve = Path.resolve

    def swapping(path: Path, strict: bool = False) -> Path:
        found = resolve(path, strict=strict)
        if strict:
            (outputs / "a").rename(outputs / "b")
            (outputs / "a").symlink_to("..")
        return found

    monkeypatch.setattr(Path, "resolve", swapping)
    assert files_reason(str(outputs), {"a/secret.txt": "outside"}) == "output file a/secret.txt is no regular file"


def test_links_within_are_fine(outputs: Path) -> None:
    """A link that stays within the outputs is an ordinary file, and so is a name with dots."""
    (outputs / "2024.json").write_text("{}")
    (outputs / "latest.json").symlink_to("2024.json")
    assert files_reason(str(outputs), {"latest.json": {}, "./2024.json": True}) == ""


def test_outputs_may_be_a_link_itself(outputs: Path) -> None:
    """The outputs directory may lie behind a link."""
    (outputs / "a").write_text("x")
    outputs.with_name("elsewhere").symlink_to(outputs)
    assert files_reason(str(outputs.with_name("elsewhere")), {"a": "x"}) == ""


def test_no_file_hangs_or_raises(outputs: Path) -> None:
    """Pipes, directories, loops and odd names fail the check; none waits or raises."""
    os.mkfifo(outputs / "pipe")
    (outputs / "directory").mkdir()
    (outputs / "loop").symlink_to("loop")
    (outputs / "file").write_text("x")
    for path in ("pipe", "directory", "loop", "a\0b", "x" * 5000, "file/x", ".", ""):
        assert files_reason(str(outputs), {path: True}), path
    assert "not there" in files_reason(str(outputs / "nowhere"), {"a": True})


def test_big_files(outputs: Path) -> None:
    """A file too big to look through is still known to be there."""
    with open(outputs / "big", "wb") as file:
        file.truncate(BODY_LIMIT * 50)
    assert files_reason(str(outputs), {"big": True}) == ""
    assert "too large" in files_reason(str(outputs), {"big": "x"})
