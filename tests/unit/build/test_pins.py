"""Unpinned dependencies are refused, with place and command."""

import pytest

from lading.build.pins import Pin, logical_lines, read_pins, refuse_unpinned
from lading.model.errors import LadingError

HASH = "--hash=sha256:" + "0" * 64


def offending(text: str) -> list[str]:
    return read_pins("requirements.txt", {"requirements.txt": text}.get)[1]


@pytest.mark.parametrize(
    "line",
    [
        f"fastapi==0.115.0 {HASH}",
        f"uvicorn[standard]==0.30.0 {HASH}",
        f"Zope.Interface == 7.0 {HASH}",
        f"tomli==2.0.1 ; python_version < '3.11' {HASH}",
        f"x==1.0 \\\n    {HASH} \\\n    --hash sha512:{'1' * 128}",
        f"x==1!2.0+cu118 {HASH}  # via y",
        f"x @ https://example.org/x-1.0-py3-none-any.whl {HASH}",
        "# only a comment",
        "--index-url https://pypi.example.org/simple",
        "--only-binary=:all:",
    ],
)
def test_pinned_lines_pass(line: str) -> None:
    """An exact version (or address) with a hash is a pin; where packages come from does not matter then."""
    assert offending(line) == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("fastapi", "has no exact version (==)"),
        (f"fastapi>=0.115 {HASH}", "has no exact version (==)"),
        (f"fastapi==0.115.* {HASH}", "has no exact version (==)"),
        ("fastapi==0.115.0", "has no --hash"),
        ("-e .", "is a local path, whose content can change"),
        ("./libs/money", "is a local path, whose content can change"),
        ("git+https://example.org/x.git@main", "is a repository, which has no hash"),
        ("-c constraints.txt", "is an option that has no place in a pinned file"),
    ],
)
def test_unpinned_lines_are_named(line: str, why: str) -> None:
    """Every other line is named with its place and reason."""
    assert offending(f"# head\n{line}\n") == [f"requirements.txt:2  {line.split(' --hash')[0]}  {why}"]


def test_nested_files_are_held_to_the_same() -> None:
    """A file named with -r is read from beside the one that names it, once, even when files name each other."""
    files = {
        "deploy/all.txt": f"-r base.txt\nx==1 {HASH}\n",
        "deploy/base.txt": "--requirement=all.txt\nflask\n-r missing.txt\n",
    }
    pins, problems, read = read_pins("deploy/all.txt", files.get)
    assert [pin.name for pin in pins] == ["x"]
    assert problems == ["deploy/base.txt:2  flask  has no exact version (==)", "deploy/missing.txt  is not there"]
    assert read == ["deploy/all.txt", "deploy/base.txt"]


def test_a_line_knows_where_it_starts() -> None:
    """Continued lines are one line, at the place of their first."""
    lines = logical_lines("r.txt", "\n# c\nx==1 \\\n  --hash=sha256:00\ny==2 # why\nz \\")
    assert [(line.place, line.text) for line in lines] == [
        ("r.txt:3", "x==1    --hash=sha256:00"),
        ("r.txt:5", "y==2"),
        ("r.txt:6", "z"),
    ]


def test_a_pin_carries_its_hashes() -> None:
    """All hashes of a pin are kept, for the bill of materials."""
    pins, _, _ = read_pins("r", {"r": "X_y==1.0 --hash=sha256:aa --hash=sha256:bb"}.get)
    assert pins == [Pin("X_y", "1.0", ("sha256:aa", "sha256:bb"))]


def test_the_refusal_lists_lines_and_the_command() -> None:
    """It says what to run, with the file's own name."""
    with pytest.raises(LadingError) as refusal:
        refuse_unpinned("reading", "deploy/requirements.txt", offending("flask\n"))
    assert refusal.value.code == "unpinned"
    assert "requirements.txt:1  flask" in str(refusal.value)
    assert "uv pip compile --generate-hashes deploy/requirements.in -o deploy/requirements.txt" in refusal.value.hint


def test_credentials_in_an_address_are_not_shown() -> None:
    """A requirement may carry a password; the refusal does not."""
    (line,) = offending("x @ https://bob:hunter22@example.org/x.whl")
    assert "hunter22" not in line
    assert "example.org" in line
