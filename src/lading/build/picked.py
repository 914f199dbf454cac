"""One directory out of an image's layers, as a container would see it: later layers over earlier ones."""

import io
import posixpath
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from lading.build.entries import Entry, Tree, link_to
from lading.build.names import UnsafeArchive, clean_target

_GONE = ".wh."
_EMPTIED = ".wh..wh..opq"


class _Piece(NamedTuple):
    """Where in a layer a file's bytes lie."""

    layer: Path
    offset: int
    size: int
    executable: bool

    def open(self) -> BinaryIO:
        with self.layer.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(self.size))

    def entry(self) -> Entry:
        return Entry(self.size, self.executable, self.open)


def pick(layers: Iterable[Path], directory: str) -> Tree:
    """Return the tree below an absolute directory of an image; entries read from the layers (tars), which must stay.

    Links that lead out of the directory are left out: a visitor must not get what was not meant for visitors. The tree
    is empty where there is no such directory.
    """
    picked = _Picked(posixpath.normpath(directory).strip("/"))
    for layer in layers:
        picked.add(layer)
    return picked.tree()


class _Picked:
    def __init__(self, directory: str) -> None:
        self._prefix = f"{directory}/" if directory else ""
        self._found: dict[str, _Piece | str] = {}
        # Hard links may lead to files outside of the directory.
        self._pieces: dict[str, _Piece] = {}

    def add(self, layer: Path) -> None:
        with tarfile.open(layer) as tar:
            members = [(posixpath.normpath(member.name).lstrip("/"), member) for member in tar]
        # What a layer takes away is of those below it, wherever in the layer it is said.
        for name, _ in members:
            self._take_away(name)
        for name, member in members:
            if not posixpath.basename(name).startswith(_GONE):
                self._put(name, member, layer)

    def _take_away(self, name: str) -> None:
        parent, _, last = name.rpartition("/")
        above = f"{parent}/" if parent else ""
        if last == _EMPTIED:
            self._drop(above)
        elif last.startswith(_GONE):
            self._drop(above + last.removeprefix(_GONE))

    def _drop(self, name: str) -> None:
        gone = name if name.endswith("/") or not name else f"{name}/"
        for known in (self._found, self._pieces):
            for path in [path for path in known if path == name or path.startswith(gone)]:
                del known[path]

    def _put(self, name: str, member: tarfile.TarInfo, layer: Path) -> None:
        if member.isdir():
            self._found.pop(name, None)
            return
        # It may stand in the place of a directory.
        self._drop(name)
        if member.issym():
            self._found[name] = member.linkname
        elif member.isreg():
            piece = _Piece(layer, member.offset_data, member.size, bool(member.mode & 0o100))
            self._pieces[name] = self._found[name] = piece
        elif member.islnk() and (known := self._pieces.get(posixpath.normpath(member.linkname).lstrip("/"))):
            self._pieces[name] = self._found[name] = known

    def tree(self) -> Tree:
        tree: Tree = {}
        for path, found in self._found.items():
            if path.startswith(self._prefix):
                name = path.removeprefix(self._prefix)
                if isinstance(found, _Piece):
                    tree[name] = found.entry()
                elif _stays(name, found):
                    tree[name] = link_to(found)
        return tree


def _stays(name: str, target: str) -> bool:
    try:
        clean_target(name, target)
    except UnsafeArchive:
        return False
    return True
