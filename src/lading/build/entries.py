"""A tree of files about to become a layer, wherever its bytes lie: in a source archive, on disk, in memory."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lading.build.names import UnsafeArchive, clean_name, clean_target


class Entry(NamedTuple):
    """One file or symbolic link: ``open`` gives its ``size`` bytes; ``target`` is set for a link only."""

    size: int
    executable: bool
    open: Callable[[], BinaryIO]
    target: str | None = None

    def read(self) -> bytes:
        """Return the content."""
        with self.open() as file:
            return file.read()


Tree = dict[str, Entry]


def _nothing() -> BinaryIO:
    return io.BytesIO()


def from_bytes(data: bytes) -> Entry:
    """Return an entry of a plain file with this content."""
    return Entry(len(data), False, lambda: io.BytesIO(data))


def link_to(target: str) -> Entry:
    """Return an entry of a symbolic link."""
    return Entry(0, False, _nothing, target)


@contextmanager
def read_archive(path: Path) -> Iterator[Tree]:
    """Open a source archive and give its tree; entries can be read until the end of the block.

    Raise UnsafeArchive for members that must not be built from (absolute, leaving the tree, hard links, devices),
    ``tarfile.TarError`` or OSError when it is no archive.
    """
    with tarfile.open(path) as tar:
        tree: Tree = {}
        for member in tar:
            name = clean_name(member.name)
            if name and not member.isdir():
                tree[name] = _member(tar, member, name)
        _refuse_file_above_file(tree)
        yield tree


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> Entry:
    if member.issym():
        return link_to(clean_target(name, member.linkname))
    if not member.isreg():
        raise UnsafeArchive(f"{name!r} is neither a file, a directory nor a symbolic link")

    def opened() -> BinaryIO:
        file = tar.extractfile(member)
        if file is None:
            raise tarfile.ReadError(f"{name} cannot be read")
        return io.BytesIO(file.read())

    return Entry(member.size, bool(member.mode & 0o100), opened)


def _refuse_file_above_file(tree: Tree) -> None:
    for name in tree:
        parent, _, _ = name.rpartition("/")
        while parent:
            if parent in tree:
                raise UnsafeArchive(f"{parent!r} is a file or link and also the directory of {name!r}")
            parent, _, _ = parent.rpartition("/")


def read_directory(top: Path) -> Tree:
    """Return the tree of a directory on disk; symbolic links stay links."""
    tree: Tree = {}
    for directory, subdirectories, files in os.walk(top):
        for name in (*subdirectories, *files):
            path = Path(directory, name)
            inside = path.relative_to(top).as_posix()
            if path.is_symlink():
                tree[inside] = link_to(str(path.readlink()))
            elif path.is_file():
                status = path.stat()
                tree[inside] = Entry(status.st_size, bool(status.st_mode & 0o100), _opener(path))
    return tree


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def below(tree: Tree, context: str) -> Tree:
    """Return the part of a tree below a directory, with names relative to it.

    Raise UnsafeArchive for a link that leaves the directory.
    """
    prefix = clean_name(context)
    if not prefix:
        return tree
    part = {name.removeprefix(prefix + "/"): entry for name, entry in tree.items() if name.startswith(prefix + "/")}
    for name, entry in part.items():
        if entry.target is not None:
            clean_target(name, entry.target)
    return part


def write_tree(tree: Tree, top: Path) -> None:
    """Write a tree to a new directory, links last, so that nothing is written through one."""
    top.mkdir(parents=True)
    for name, entry in sorted(tree.items(), key=lambda item: item[1].target is not None):
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.target is not None:
            path.symlink_to(entry.target)
        else:
            path.write_bytes(entry.read())
            path.chmod(0o755 if entry.executable else 0o644)
