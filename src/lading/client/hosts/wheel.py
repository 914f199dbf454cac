"""Makes wheels of what is installed here, so that a host gets the very code that its client runs.

A wheel is a zip of the installed files and their metadata. An editable installation gives one like any other: its
files are those of the package's directory.
"""

import base64
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

import lading

NAME = "lading"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same files, whenever they are zipped
NEEDED = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^]]*)\])?")  # a name and its extras, at the begin of a requirement
EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)""")  # the extra that a requirement is for
LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


def own_wheel() -> tuple[str, bytes]:
    """Return file name and content of a wheel of this very Lading."""
    found = distribution(NAME)
    top = Path(lading.__file__).parent
    files = {
        f"{NAME}/{path.relative_to(top).as_posix()}": path
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    return _packed(found, files, ("py3-none-any",), purelib=True)


def wheel_of(name: str) -> tuple[str, bytes]:
    """Return file name and content of a wheel of an installed distribution.

    Raise PackageNotFoundError when it is not installed, ValueError when what is installed names no files.
    """
    found = distribution(name)
    tags, purelib = _tags(found)
    return _packed(found, dict(_files(found)), tags, purelib=purelib)


def requirements(name: str = NAME) -> dict[str, str]:
    """Return the versions of all that an installed distribution needs here, itself left out; by normal name."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = [(name, frozenset[str]())]
    while pending:
        asked = pending.pop()
        if asked in seen:
            continue
        seen.add(asked)
        for needed, extras in _needs(*asked):
            if needed == normal(name):
                continue
            try:
                found[needed] = distribution(needed).version
            except PackageNotFoundError:
                continue  # needed on other platforms alone
            pending.append((needed, extras))
    return dict(sorted(found.items()))


def _needs(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what an installed distribution needs with some of its extras, each with the extras that it asks for."""
    for line in distribution(name).requires or ():
        condition = EXTRA.search(line)
        if condition is None or normal(condition[1]) in extras:
            parts = NEEDED.match(line)
            assert parts is not None, line
            yield normal(parts[1]), frozenset(normal(extra) for extra in re.findall(r"[^\s,]+", parts[2] or ""))


def normal(name: str) -> str:
    """Return a distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _tags(found: Distribution) -> tuple[tuple[str, ...], bool]:
    lines = (found.read_text("WHEEL") or "").splitlines()
    tags = tuple(line.partition(":")[2].strip() for line in lines if line.startswith("Tag:"))
    if not tags:
        raise ValueError(f"{found.metadata['Name']} was not installed from a wheel")
    return tags, any(line.split() == ["Root-Is-Purelib:", "true"] for line in lines)


def _files(found: Distribution) -> Iterator[tuple[str, Path]]:
    scripts = _generated(found)
    for file in found.files or ():
        place = Path(str(file.locate()))
        if file.suffix == ".pyc" or (file.name in LEFT_OUT and file.parent.name.endswith(".dist-info")):
            continue
        if file.parts[0] != "..":
            yield str(file), place
        elif place.parent.name == "bin" and place.name not in scripts:
            yield f"{_stem(found)}.data/scripts/{place.name}", place


def _generated(found: Distribution) -> set[str]:
    """Return the names of commands that an installer writes by itself."""
    parser = ConfigParser(delimiters=("=",))
    parser.read_string(found.read_text("entry_points.txt") or "")
    return {name for section in ("console_scripts", "gui_scripts") if section in parser for name in parser[section]}


def _packed(found: Distribution, files: dict[str, Path], tags: tuple[str, ...], *, purelib: bool) -> tuple[str, bytes]:
    info = f"{_stem(found)}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        record = [_add(archive, name, path.read_bytes(), _mode(name, path)) for name, path in sorted(files.items())]
        for name, text in _metadata(found, tags, purelib=purelib).items():
            if f"{info}/{name}" not in files:
                record.append(_add(archive, f"{info}/{name}", text.encode(), 0o644))
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([*record, (f"{info}/RECORD", "", "")])
        _add(archive, f"{info}/RECORD", table.getvalue().encode(), 0o644)
    return f"{_stem(found)}-{_joined(tags)}.whl", buffer.getvalue()


def _metadata(found: Distribution, tags: tuple[str, ...], *, purelib: bool) -> dict[str, str]:
    lines = ["Wheel-Version: 1.0", "Generator: lading", f"Root-Is-Purelib: {str(purelib).lower()}"]
    texts = {"WHEEL": "\n".join([*lines, *(f"Tag: {tag}" for tag in tags)]) + "\n"}
    for name in ("METADATA", "entry_points.txt"):
        text = found.read_text(name)
        if text:
            texts[name] = text
    return texts


def _add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> tuple[str, str, int]:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = (0o100000 | mode) << 16
    archive.writestr(entry, data)
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return name, f"sha256={digest}", len(data)


def _mode(name: str, path: Path) -> int:
    executable = ".data/scripts/" in name or path.stat().st_mode & 0o100
    return 0o755 if executable else 0o644


def _stem(found: Distribution) -> str:
    name = re.sub(r"[-_.]+", "_", found.metadata["Name"]).lower()
    return f"{name}-{found.version}"


def _joined(tags: tuple[str, ...]) -> str:
    """Return tags as a file name has them: each of its three parts lists all that there are."""
    parts = zip(*(tag.split("-") for tag in tags), strict=True)
    return "-".join(".".join(sorted({one for word in part for one in word.split(".")})) for part in parts)


def script_names(wheel: bytes) -> list[str]:
    """Return the commands that a wheel brings as files of its own."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return [PurePosixPath(name).name for name in archive.namelist() if ".data/scripts/" in name]
