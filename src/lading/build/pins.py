"""Requirements files: every line pinned by version and hash, or refused with the command that pins it."""

import re
import shlex
from collections.abc import Callable
from posixpath import dirname, join, normpath
from typing import NamedTuple

from lading.model.errors import LadingError

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
PINNED = re.compile(rf"(?P<name>{NAME})\s*(?:\[[^\]]*\])?\s*={{2,3}}\s*(?P<version>[A-Za-z0-9.!+_-]+)\s*(?:;.*)?")
DIRECT = re.compile(rf"(?P<name>{NAME})\s*(?:\[[^\]]*\])?\s*@\s*(?P<version>https?://\S+)\s*(?:;.*)?")
HASH = re.compile(r"--hash[= ](sha\d+:[0-9a-f]+)")
# Options of a requirements file that choose where packages come from; hashes make them harmless.
OPTIONS = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-index", "--only-binary", "--no-binary",
           "--prefer-binary", "--require-hashes", "--pre", "--trusted-host")  # fmt: skip
NESTED = ("-r", "--requirement")
MOST_LISTED = 20


class Pin(NamedTuple):
    """One pinned package: its name and version as written, and the hashes one of which its file must have."""

    name: str
    version: str
    hashes: tuple[str, ...]


class Line(NamedTuple):
    """A logical line of a requirements file: where it starts, and its text without comments and continuations."""

    file: str
    number: int
    text: str

    @property
    def place(self) -> str:
        """Return ``file:line``."""
        return f"{self.file}:{self.number}"


def logical_lines(file: str, text: str) -> list[Line]:
    """Split a requirements file into lines, joining continuations and dropping comments."""
    lines: list[Line] = []
    start, collected = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        part = re.sub(r"(^|\s)#.*$", "", raw).rstrip()
        start = start or number
        if part.endswith("\\"):
            collected += part[:-1] + " "
            continue
        lines.append(Line(file, start, (collected + part).strip()))
        start, collected = 0, ""
    if collected.strip():
        lines.append(Line(file, start, collected.strip()))
    return [line for line in lines if line.text]


def read_pins(file: str, read: Callable[[str], str | None]) -> tuple[list[Pin], list[str], list[str]]:
    """Return the pins of a requirements file and those it names, the lines that are no pins, and all files read.

    ``read`` gives a file's text by its path, None when it is not there.
    """
    pins: list[Pin] = []
    offending: list[str] = []
    files: list[str] = []
    pending = [file]
    while pending:
        current = pending.pop(0)
        text = read(current)
        if text is None:
            offending.append(f"{current}  is not there")
        elif current not in files:
            files.append(current)
            for line in logical_lines(current, text):
                _take(line, pins, offending, pending)
    return pins, offending, files


def _take(line: Line, pins: list[Pin], offending: list[str], pending: list[str]) -> None:
    option, _, value = line.text.replace("=", " ", 1).partition(" ") if line.text.startswith("-") else ("", "", "")
    if option in NESTED:
        pending.append(normpath(join(dirname(line.file), value.strip())))
        return
    if option in OPTIONS:
        return
    hashes = tuple(HASH.findall(line.text))
    requirement = line.text.split("--hash")[0].strip()
    match = PINNED.fullmatch(requirement) or DIRECT.fullmatch(requirement)
    if match is None or not hashes:
        offending.append(f"{line.place}  {_shown(requirement)}  {_why(requirement, match is not None)}")
        return
    pins.append(Pin(match["name"], match["version"], hashes))


def _why(requirement: str, has_version: bool) -> str:
    if has_version:
        return "has no --hash"
    if requirement.startswith("-") and not requirement.startswith(("-e", "--editable")):
        return "is an option that has no place in a pinned file"
    if requirement.startswith(("-e", "--editable", ".", "/", "file:")) or "@ file:" in requirement:
        return "is a local path, whose content can change"
    if "git+" in requirement:
        return "is a repository, which has no hash"
    return "has no exact version (==)"


def _shown(requirement: str) -> str:
    # An address may carry a user's name and password.
    return re.sub(r"//[^/@\s]+@", "//•••@", requirement)


def refuse_unpinned(doing: str, file: str, offending: list[str], *, hint: str = "") -> None:
    """Raise ``unpinned`` naming every offending line and the command that pins; quiet when there is none."""
    if not offending:
        return
    listed = offending[:MOST_LISTED]
    more = [f"and {len(offending) - MOST_LISTED} more"] if len(offending) > MOST_LISTED else []
    count = len(offending)
    raise LadingError(
        "unpinned",
        doing=doing,
        happened=f"{count} requirement{' is' if count == 1 else 's are'} not pinned by version and hash in {file}, "
        "so building again could give something else",
        now="no release was made",
        hint=hint or pinning_command(file),
        details=(*listed, *more),
    )


def pinning_command(file: str) -> str:
    """Return the commands that turn an unpinned requirements file into a pinned one of the same name."""
    stem = file.removesuffix(".txt")
    source, target = shlex.quote(f"{stem}.in"), shlex.quote(file)
    return (
        f"git mv {target} {source} && uv pip compile --generate-hashes {source} -o {target}, "
        'then commit both (with a pyproject.toml: uv lock, and bundle = "uv.lock")'
    )
