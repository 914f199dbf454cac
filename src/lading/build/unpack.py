"""Layer → tree on disk, trusting nothing the archive says.

Files and directories are made first, links last, so that nothing is ever written through a link; this needs no
``tarfile`` filter, which early 3.11 releases lack.
"""

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from lading.build.inventory import Inventory
from lading.build.names import UnsafeArchive, clean_name, clean_target

CHUNK = 1 << 18  # bytes
# A layer that needs more to be unpacked was not written by this program's settings.
LARGEST_WINDOW = 1 << 27  # bytes


class HashingReader:
    """Read from a stream while hashing what is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int = CHUNK) -> bytes:
        """Read at most ``size`` bytes."""
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Read to the end and return ``sha256:<hex>`` of everything."""
        while self.read():
            continue
        return "sha256:" + self._hash.hexdigest()


def decompressed(stream: HashingReader, media_type: str) -> BinaryIO:
    """Return the layer's tar stream; UnsafeArchive for a media type that is no tar."""
    if media_type.endswith("tar+zstd"):
        reader = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
        return cast(BinaryIO, reader.stream_reader(cast(BinaryIO, stream), read_across_frames=True))
    if media_type.endswith(".tar"):
        return cast(BinaryIO, stream)
    raise UnsafeArchive(f"its media type {media_type} is none that can be laid out")


def unpack(stream: HashingReader, target: Path) -> Inventory:
    """Unpack a tar stream into the new directory ``target``, all of it read-only, and return what is there.

    Raise UnsafeArchive for absolute names, ``..``, names that come twice, hard links, devices and links that leave
    the tree; ``tarfile.TarError`` for what is no tar. What was written until then stays for the caller to remove.
    """
    target.mkdir(mode=0o755)
    writer = _Writer(target)
    with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|", bufsize=CHUNK) as tar:
        for member in tar:
            writer.take(tar, member)
    return writer.finish()


class _Writer:
    def __init__(self, top: Path) -> None:
        self._top = top
        self._directories: set[str] = {""}
        self._files: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._size = 0

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = clean_name(member.name)
        if member.isdir():
            self._directory(name)
            return
        if not name or name in self._files or name in self._links or name in self._directories:
            raise UnsafeArchive(f"{member.name!r} comes twice")
        self._directory(name.rpartition("/")[0])
        if member.issym():
            self._links[name] = clean_target(name, member.linkname)
        elif member.isreg():
            self._file(name, tar, member)
        else:
            raise UnsafeArchive(f"{name!r} is neither a file, a directory nor a symbolic link")

    def _directory(self, name: str) -> None:
        if name in self._directories:
            return
        if name in self._files or name in self._links:
            raise UnsafeArchive(f"{name!r} is a file or link and also a directory")
        self._directory(name.rpartition("/")[0])
        (self._top / name).mkdir(mode=0o755)
        self._directories.add(name)

    def _file(self, name: str, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        source = tar.extractfile(member)
        if source is None:
            raise UnsafeArchive(f"{name!r} has no content")
        mode = 0o555 if member.mode & 0o100 else 0o444
        number = os.open(self._top / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        hashed = hashlib.sha256()
        with open(number, "wb") as file:
            while piece := source.read(CHUNK):
                hashed.update(piece)
                file.write(piece)
            os.fchmod(number, mode)
        self._files[name] = hashed.hexdigest()
        self._size += member.size

    def finish(self) -> Inventory:
        for name, target in self._links.items():
            os.symlink(target, self._top / name)
        self._check_links()
        return Inventory(files=self._files, links=self._links, size=self._size)

    def _check_links(self) -> None:
        # A chain of harmless-looking links can still lead out; only the file system knows where it ends.
        top = self._top.resolve()
        for name, target in self._links.items():
            try:
                end = (self._top / name).resolve()
            except (OSError, RuntimeError) as error:
                raise UnsafeArchive(f"link {name!r} leads nowhere: {target!r}") from error
            if not end.is_relative_to(top):
                raise UnsafeArchive(f"link {name!r} leaves the tree by its target {target!r}")


def directories(top: Path) -> Iterator[Path]:
    """Walk the directories of a tree, deepest first."""
    for directory, _, _ in os.walk(top, topdown=False):
        yield Path(directory)


def make_read_only(top: Path) -> None:
    """Take the right to write from every directory of a tree (its files were made without it)."""
    for directory in directories(top):
        directory.chmod(0o555)


def make_writable(top: Path) -> None:
    """Give back the right to write, so that a tree can be removed; links are not followed."""
    for directory, _, _ in os.walk(top):
        mode = os.lstat(directory).st_mode
        os.chmod(directory, stat.S_IMODE(mode) | 0o700)
