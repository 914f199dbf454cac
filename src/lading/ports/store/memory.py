"""The Store port in memory: for tests of everything that needs artifacts and no disk."""

import hashlib
import io
import tarfile
from collections.abc import Collection, Iterator, Mapping
from threading import Lock
from typing import BinaryIO

from lading.model.errors import LadingError
from lading.model.release import Layer, Release

TAR = "application/vnd.oci.image.layer.v1.tar"
PLENTY = 10**12  # bytes


def sha256(data: bytes) -> str:
    """Return ``sha256:<hex>`` of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_layer(role: str, files: Mapping[str, bytes]) -> tuple[Layer, bytes]:
    """Make a small uncompressed layer holding ``files`` (path → content), and its blob."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            tar.addfile(info, io.BytesIO(files[name]))
    blob = buffer.getvalue()
    return Layer(role=role, diff_id=sha256(blob), digest=sha256(blob), size=len(blob), media_type=TAR), blob


class MemoryStore:
    """Keep blobs and laid-out trees in dictionaries; :attr:`free` is what ``free_bytes`` says and ``put`` obeys.

    Layers must be uncompressed tars, as :func:`make_layer` gives them.
    """

    def __init__(self, free: int = PLENTY) -> None:
        self._lock = Lock()
        self._blobs: dict[str, bytes] = {}
        self._parts: dict[str, bytes] = {}
        self._trees: dict[str, dict[str, bytes]] = {}
        self._hashes: dict[str, str] = {}
        self.free = free

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there."""
        with self._lock:
            return digest in self._blobs

    def put(self, digest: str, chunks: Iterator[bytes]) -> None:
        """Store a blob; raise ``artifact-corrupt`` or ``no-space`` and keep nothing of it."""
        if self.has(digest):
            return
        data = b"".join(chunks)
        if sha256(data) != digest:
            raise _corrupt(f"the bytes received are {sha256(data)}", f"storing {digest}")
        with self._lock:
            if len(data) > self.free:
                raise LadingError(
                    "no-space",
                    doing=f"storing {digest}",
                    happened=f"{len(data)} bytes needed, {self.free} free",
                    now="nothing of it was kept",
                    hint="free some disk space, then try again",
                )
            self.free -= len(data)
            self._blobs[digest] = data

    def arrived(self, digest: str) -> int:
        """Return how many of a blob's first bytes have come in pieces."""
        with self._lock:
            return len(self._parts.get(digest, b""))

    def add(self, digest: str, offset: int, chunks: Iterator[bytes], size: int) -> int:
        """Add pieces to a blob."""
        doing = f"storing {digest}"
        position = offset
        for chunk in chunks:
            with self._lock:
                if digest in self._blobs:
                    return size
                here = self._parts.get(digest, b"")
                if position > len(here):
                    raise LadingError("usage", doing=doing, happened=f"{len(here)} bytes are here", hint="go on there")
                here += chunk[len(here) - position :]
                if len(here) > size:
                    self._parts.pop(digest, None)
                    raise _corrupt(f"more than its {size} bytes were sent", doing)
                self._parts[digest] = here
            position += len(chunk)
        if self.has(digest):
            return size
        if self.arrived(digest) < size:
            return self.arrived(digest)
        with self._lock:
            whole = self._parts.pop(digest)
        self.put(digest, iter([whole]))
        return size

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading; KeyError when it is not there."""
        with self._lock:
            return io.BytesIO(self._blobs[digest])

    def lay_out(self, layer: Layer) -> str:
        """Unpack a layer and return the name of its tree; :meth:`tree` gives its files."""
        place = f"memory:{layer.diff_id}"
        with self._lock:
            if layer.diff_id not in self._trees:
                tree = self._unpack(layer)
                self._trees[layer.diff_id] = tree
                self._hashes[layer.diff_id] = _hash_tree(tree)
        return place

    def tree(self, place: str) -> dict[str, bytes]:
        """Return the files of a laid-out tree, to read and (in tests) to change."""
        return self._trees[place.removeprefix("memory:")]

    def corrupt(self, digest: str) -> None:
        """Flip a bit of a stored blob, as a failing disk would."""
        with self._lock:
            data = self._blobs[digest]
            self._blobs[digest] = bytes([data[0] ^ 1]) + data[1:]

    def verify(self, release: Release) -> None:
        """Check every blob and laid-out layer; raise ``artifact-corrupt`` naming the first bad one."""
        doing = f"verifying {release.version}"
        with self._lock:
            for layer in (layer for artifact in release.artifacts for layer in artifact.layers):
                self._checked_blob(layer.digest, doing)
                tree = self._trees.get(layer.diff_id)
                if tree is not None and _hash_tree(tree) != self._hashes[layer.diff_id]:
                    raise _corrupt(f"the files laid out from layer {layer.diff_id} were changed", doing)

    def free_bytes(self) -> int:
        """Return the free space in bytes."""
        return self.free

    def prune(self, keep: Collection[str]) -> int:
        """Remove blobs and layers that ``keep`` does not name; return bytes freed."""
        with self._lock:
            gone = [digest for digest in self._blobs if digest not in keep]
            freed = sum(len(self._blobs.pop(digest)) for digest in gone)
            for diff_id in [diff_id for diff_id in self._trees if diff_id not in keep]:
                freed += sum(map(len, self._trees.pop(diff_id).values()))
            self.free += freed
            return freed

    def _checked_blob(self, digest: str, doing: str) -> bytes:
        data = self._blobs.get(digest)
        if data is None:
            raise _corrupt(f"blob {digest} is missing", doing)
        if sha256(data) != digest:
            raise _corrupt(f"blob {digest} was changed, its bytes are now {sha256(data)}", doing)
        return data

    def _unpack(self, layer: Layer) -> dict[str, bytes]:
        doing = f"laying out layer {layer.diff_id}"
        data = self._checked_blob(layer.digest, doing)
        if sha256(data) != layer.diff_id:
            raise _corrupt(f"its content is {sha256(data)}", doing)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return {member.name: _read(tar, member) for member in tar if member.isreg()}


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file is not None else b""


def _hash_tree(tree: Mapping[str, bytes]) -> str:
    return sha256(repr(sorted(tree.items())).encode())


def _corrupt(happened: str, doing: str) -> LadingError:
    return LadingError(
        "artifact-corrupt",
        doing=doing,
        happened=happened,
        now="nothing of it is used",
        hint="fetch the release again from where it was built",
    )
