"""One layer laid out as a directory: made in a hidden place, checked, then given its name in one rename."""

import os
import shutil
import tarfile
from itertools import count
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from lading.build import binding, inventory
from lading.build.disk import sync_directory, sync_tree, write_whole
from lading.build.errors import corrupt
from lading.build.inventory import Inventory
from lading.build.names import UnsafeArchive
from lading.build.unpack import HashingReader, decompressed, make_read_only, make_writable, unpack
from lading.model.release import Layer

ENVIRONMENT = "environment"
_numbers = count()


class LaidOut:
    """The place of one layer's tree; the caller sees that one thread at a time makes it."""

    def __init__(self, layers: Path, name: str) -> None:
        self._layers = layers
        self._name = name
        self.tree = layers / name
        self.inventory = layers / f"{name}.json"
        self.note = layers / f"{name}.python"

    def is_whole(self) -> bool:
        """Tell whether the tree is there. It gets its name last, so when it is there, all of it is."""
        return self.tree.is_dir() and self.inventory.is_file()

    def use(self, role: str) -> None:
        """Note that the tree is used now; see that an environment's interpreter is (still) there."""
        os.utime(self.inventory)
        if role == ENVIRONMENT:
            binding.bind(self.tree, self.note)

    def unpack(self, blob: BinaryIO, layer: Layer) -> None:
        """Unpack a blob into the tree, verified against digest and diff id; raise ``artifact-corrupt``."""
        temporary = self._layers / f".{self._name[:12]}.{os.getpid()}.{next(_numbers)}.new"
        try:
            found = _unpack_verified(blob, layer, temporary)
            if layer.role == ENVIRONMENT:
                _refuse_own_interpreter(found, temporary, layer)
                binding.bind(temporary, self.note)
            make_read_only(temporary)
            sync_tree(temporary)
            write_whole(self.inventory, msgspec.json.encode(found))
            self._name_it(temporary)
        finally:
            remove_tree(temporary)

    def check(self, role: str, doing: str) -> None:
        """Raise ``artifact-corrupt`` when the tree is there and not what was laid out; quiet when it is not there."""
        if not self.tree.is_dir():
            return
        difference = self._difference(role)
        if difference:
            raise corrupt(
                doing,
                f"below {self.tree}, {difference}",
                now="nothing new was started from it; instances that run from it were not touched",
                hint=f"find out who changed it, then move {self.tree} away: the next rollout lays it out anew",
            )

    def _difference(self, role: str) -> str:
        try:
            known = inventory.load(self.inventory)
        except (OSError, msgspec.DecodeError):
            return "its inventory is missing or unreadable"
        minor = binding.minor_of(self.tree) if role == ENVIRONMENT else ""
        besides = binding.bound_names(minor) if minor else ()
        difference = inventory.difference(self.tree, known, every_file=role == ENVIRONMENT, besides=besides)
        if not difference and minor:
            difference = binding.problem(self.tree, self.note)
        return difference

    def _name_it(self, temporary: Path) -> None:
        if self.tree.exists():
            # A tree whose inventory was lost cannot be trusted: the fresh one takes its place.
            aside = self._layers / f".{self._name[:12]}.{os.getpid()}.{next(_numbers)}.old"
            self.tree.rename(aside)
            remove_tree(aside)
        temporary.rename(self.tree)
        sync_directory(self._layers)


def _unpack_verified(blob: BinaryIO, layer: Layer, target: Path) -> Inventory:
    doing = f"laying out layer {layer.diff_id}"
    raw = HashingReader(blob)
    try:
        plain = HashingReader(decompressed(raw, layer.media_type))
        found = unpack(plain, target)
        diff_id = plain.digest()
    except (UnsafeArchive, tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise corrupt(doing, str(error) or "the archive ends too early") from error
    if raw.digest() != layer.digest:
        raise corrupt(doing, f"the bytes of blob {layer.digest} are {raw.digest()}")
    if diff_id != layer.diff_id:
        raise corrupt(doing, f"its content is {diff_id}")
    return found


def _refuse_own_interpreter(found: Inventory, tree: Path, layer: Layer) -> None:
    reserved = set(binding.bound_names(binding.minor_of(tree)))
    own = sorted(reserved & (found.files.keys() | found.links.keys()))
    if own:
        raise corrupt(f"laying out layer {layer.diff_id}", f"it brings its own {own[0]}, which a host must provide")


def remove_tree(path: Path) -> None:
    """Remove a tree, read-only directories included, if it is there."""
    if path.is_dir() and not path.is_symlink():
        make_writable(path)
        shutil.rmtree(path)
