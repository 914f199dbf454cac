"""Files that nobody meant as a manifest: exit status 2, no traceback, bounded time."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lading.cli.main import main
from lading.manifest.text import LARGEST
from tests.unit.manifest.enormous import FILLED, SLOWEST

LIMIT = 5.0  # seconds of this process for any file


def a_directory(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_circle_of_links(path: Path) -> None:
    path.symlink_to(path.with_name("other"))
    path.with_name("other").symlink_to(path)


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def fifty_megabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)


def nul_bytes(path: Path) -> None:
    path.write_bytes(b"\0" * 1000)


def deep_lists(path: Path) -> None:
    path.write_text("a = " + "[\n" * 50_000 + "]\n" * 50_000)


def deep_tables(path: Path) -> None:
    path.write_text("[" + ".".join(["a"] * 1_000) + "]\n")


def a_long_number(path: Path) -> None:
    path.write_text("\n".join(f"a{n} = {'9' * 4_000}" for n in range(60)))


def half_a_character(path: Path) -> None:
    path.write_bytes(b'[project]\nname = "caf\xc3')


KINDS: list[Callable[[Path], None]] = [
    a_directory,
    a_pipe,
    a_circle_of_links,
    a_link_to_itself,
    a_link_to_nothing,
    a_link_to_a_device,
    fifty_megabytes,
    nul_bytes,
    deep_lists,
    deep_tables,
    a_long_number,
    half_a_character,
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lading.toml"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    began = time.process_time()
    assert main(["check", *arguments]) == 2
    assert time.process_time() - began < LIMIT
    said = capsys.readouterr().err
    assert "next:" in said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_whatever_is_called_lading_toml_is_answered(
    make: Callable[[Path], None], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the project's manifest and as a named file: a sentence with the file's name, and exit status 2."""
    make(place)
    assert "lading.toml" in refused(capsys)
    assert "lading.toml" in refused(capsys, str(place))


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_a_manifest_that_is_none_hides_no_other(
    make: Callable[[Path], None], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest of a directory above is not taken for one that is there and cannot be read."""
    place.write_text("[project]\nname = 3\n")
    below = place.parent / "below"
    below.mkdir()
    make(below / "lading.toml")
    assert "project.name" not in refused(capsys, "-C", str(below))


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_other_commands_answer_too(
    make: Callable[[Path], None], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that only needs the project's name says what is wrong with the manifest."""
    make(place)
    began = time.process_time()
    assert main(["plan", "local", "-C", str(place.parent)]) == 2
    assert time.process_time() - began < LIMIT
    assert "lading.toml" in capsys.readouterr().err


def test_a_file_one_may_not_read_is_said(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The system's own reason is told."""
    place.write_text("")
    place.chmod(0)
    if os.access(place, os.R_OK):
        pytest.skip("root reads everything")
    assert "Permission denied" in refused(capsys)


@pytest.mark.parametrize("name", SLOWEST)
def test_the_largest_files_take_bounded_time(name: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever 256 KiB are filled with, checking them ends soon, and says at most five hundred things."""
    place.write_text(FILLED[name]())
    assert place.stat().st_size <= LARGEST
    began = time.process_time()
    assert main(["check"]) in (0, 2)
    assert time.process_time() - began < LIMIT
    written = capsys.readouterr()
    assert "Traceback" not in written.err
    assert len(written.err.splitlines()) <= 510


def test_one_byte_more_is_too_large(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bound is exact."""
    place.write_text("#" * 4_000 + "\n" + "\n" * (LARGEST - 4_001))
    assert "is larger than" not in refused(capsys)
    place.write_text("#" * 4_000 + "\n" + "\n" * (LARGEST - 4_000))
    assert "is larger than 256 KiB" in refused(capsys)


def test_the_cases_are_those_that_hurt() -> None:
    """Every part of the grammar that holds many things has its case."""
    assert {"services", "environments", "smoke steps", "jobs", "secrets", "variables"} <= set(FILLED)
