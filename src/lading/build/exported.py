"""An image as the engine gives it out → blobs of the store, each layer compressed once and known by its diff id."""

import gzip
import hashlib
import posixpath
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import msgspec
import zstandard

from lading.build.disk import write_whole
from lading.build.errors import build_failed
from lading.build.pack import COMPRESSION_LEVEL, TAR_ZSTD, chunks_of
from lading.docker import Engine
from lading.docker.engine import segment
from lading.model import typed
from lading.model.release import Layer
from lading.ports.store import Store

PIECE = 1 << 20  # bytes
EXPORTING = 600.0  # seconds without a byte from the engine


class Exported(NamedTuple):
    """An image's configuration, and its layers as uncompressed tars with their diff ids, lowest first."""

    config: dict[str, Any]
    layers: tuple[tuple[str, Path], ...]


def export(engine: Engine, image: str, work: Path) -> Exported:
    """Take an image out of the engine into a directory; raise ``build-failed`` for what is not understood."""
    files: dict[str, tuple[str, Path]] = {}
    links: dict[str, str] = {}
    with (
        engine.stream("GET", f"/images/{segment(image)}/get", timeout=EXPORTING) as answer,
        tarfile.open(fileobj=cast(BinaryIO, answer), mode="r|") as tar,
    ):
        for member in tar:
            if member.issym():
                links[member.name] = posixpath.normpath(posixpath.join(posixpath.dirname(member.name), member.linkname))
            elif member.isreg() and (source := tar.extractfile(member)) is not None:
                files[member.name] = _spool(cast(BinaryIO, source), work / f"export-{len(files)}")
    (listed,) = typed.plain(_content(files, links, "manifest.json"))
    config = typed.plain(_content(files, links, listed["Config"]))
    layers = tuple(files[_followed(links, name)] for name in listed["Layers"])
    expected = config["rootfs"]["diff_ids"]
    if [diff_id for diff_id, _ in layers] != expected:
        raise build_failed(
            "taking the image out of the engine",
            "its layers are not what its configuration says",
            hint="docker info says which storage driver the engine has; overlay2 is known to do",
        )
    return Exported(config, layers)


def _followed(links: dict[str, str], name: str) -> str:
    # A layer that is there twice is given once, and once as a link.
    for _ in range(len(links) + 1):
        name = links.get(name, name)
    return name


def _content(files: dict[str, tuple[str, Path]], links: dict[str, str], name: str) -> bytes:
    return files[_followed(links, name)][1].read_bytes()


def _spool(source: BinaryIO, path: Path) -> tuple[str, Path]:
    """Write a file of the export uncompressed, as some engines' storage keeps layers packed; return its digest too."""
    first = source.read(PIECE)
    whole = _Rest(first, source)
    plain: BinaryIO = cast(BinaryIO, whole)
    if first.startswith(b"\x1f\x8b"):
        plain = cast(BinaryIO, gzip.GzipFile(fileobj=plain))
    elif first.startswith(b"\x28\xb5\x2f\xfd"):
        plain = cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(plain, read_across_frames=True))
    hashed = hashlib.sha256()
    with path.open("wb") as file:
        while piece := plain.read(PIECE):
            hashed.update(piece)
            file.write(piece)
    return f"sha256:{hashed.hexdigest()}", path


class _Rest:
    """What was read of a stream to look at it, and then the stream."""

    def __init__(self, first: bytes, source: BinaryIO) -> None:
        self._first = first
        self._source = source

    def read(self, size: int = PIECE) -> bytes:
        """Return at most ``size`` bytes (all that is left of the beginning first), none at the end."""
        if self._first:
            piece, self._first = self._first[:size], self._first[size:]
            return piece
        return self._source.read(size)


class KnownLayers:
    """Which blob holds a layer, by diff id: what was compressed once is not compressed again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def put(self, store: Store, role: str, diff_id: str, plain: Path) -> tuple[Layer, bool]:
        """See that a layer is in the store and return it, and whether it is new there."""
        note = self._directory / f"{diff_id.removeprefix('sha256:')}.json"
        try:
            known = typed.decode(note.read_bytes(), Layer)
        except (FileNotFoundError, msgspec.DecodeError):
            known = None
        if known is not None and store.has(known.digest):
            return msgspec.structs.replace(known, role=role), False
        blob = plain.with_suffix(".zst")
        digest = _compress(plain, blob)
        layer = Layer(role=role, diff_id=diff_id, digest=digest, size=blob.stat().st_size, media_type=TAR_ZSTD)
        store.put(digest, chunks_of(blob))
        blob.unlink()
        write_whole(note, msgspec.json.encode(layer))
        return layer, True


def _compress(plain: Path, blob: Path) -> str:
    hashed = hashlib.sha256()
    # The frame says its size: who hands it on uncompressed must tell it before the first byte.
    compressor = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL, write_checksum=True)
    with plain.open("rb") as source, blob.open("wb") as target:
        for piece in _pieces(compressor, source, plain.stat().st_size):
            hashed.update(piece)
            target.write(piece)
    return f"sha256:{hashed.hexdigest()}"


def _pieces(compressor: zstandard.ZstdCompressor, source: BinaryIO, size: int) -> Iterator[bytes]:
    yield from compressor.read_to_iter(source, size=size)
