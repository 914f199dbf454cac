"""Tree → layer: the same bytes for the same files, whoever packs them, wherever and whenever."""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from lading.build.entries import Entry, Tree
from lading.model.release import Layer

TAR_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
COMPRESSION_LEVEL = 3
CHUNK = 1 << 20  # bytes


class HashingWriter:
    """Pass bytes on to a file while counting and hashing them."""

    def __init__(self, file: "BinaryIO | HashingWriter | zstandard.ZstdCompressionWriter") -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self._hash.update(data)
        self.size += len(data)
        self._file.write(data)
        return len(data)

    @property
    def digest(self) -> str:
        """Return ``sha256:<hex>`` of what was written so far."""
        return "sha256:" + self._hash.hexdigest()


def pack(role: str, tree: Tree, blob: Path) -> Layer:
    """Write a tree as a compressed layer to the file ``blob`` and return what it is.

    Only names, content, links and the executable bit count: order, owner, times and the rest of the mode are fixed.
    """
    with blob.open("wb") as file:
        packed = HashingWriter(file)
        compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True, write_content_size=False)
        with compressor.stream_writer(cast(BinaryIO, packed), closefd=False) as stream:
            plain = HashingWriter(stream)
            with tarfile.open(fileobj=cast(BinaryIO, plain), mode="w|", format=tarfile.PAX_FORMAT) as tar:
                _write(tar, tree)
    return Layer(role=role, diff_id=plain.digest, digest=packed.digest, size=packed.size, media_type=TAR_ZSTD)


def _write(tar: tarfile.TarFile, tree: Tree) -> None:
    made: set[str] = set()
    for name in sorted(tree):
        for parent in _parents(name):
            if parent not in made:
                made.add(parent)
                tar.addfile(_info(parent, tarfile.DIRTYPE, 0o755))
        _add(tar, name, tree[name])


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _add(tar: tarfile.TarFile, name: str, entry: Entry) -> None:
    if entry.target is not None:
        info = _info(name, tarfile.SYMTYPE, 0o777)
        info.linkname = entry.target
        tar.addfile(info)
        return
    info = _info(name, tarfile.REGTYPE, 0o755 if entry.executable else 0o644)
    info.size = entry.size
    with entry.open() as file:
        tar.addfile(info, file)


def _info(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    # A fresh TarInfo has owner 0, no owner names and time 0: what the digest needs.
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    return info


def chunks_of(path: Path) -> Iterator[bytes]:
    """Read a file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece
