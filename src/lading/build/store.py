"""The Store on disk: an OCI image layout, and beside it the layers laid out as directories.

``blobs/sha256/HEX`` holds blobs, ``layers/HEX`` the tree of a layer by its diff id, ``layers/HEX.json`` the inventory
of that tree, ``layers/HEX.python`` the interpreter an environment was tied to. A name without a leading dot is whole.
"""

import hashlib
import os
import re
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from lading.build.disk import room_for, sync_directory
from lading.build.errors import corrupt
from lading.build.index import Index
from lading.build.laid import LaidOut
from lading.build.partial import Arriving
from lading.build.prune import prune
from lading.model.release import Layer, Release

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
# Pruning spares what is younger: it may belong to a release whose build or transfer has not been recorded yet.
YOUNG = 600.0  # seconds


class OciStore:
    """A content-addressed store below ``root``; safe to use from several threads and after any crash.

    ``young`` is the age in seconds below which ``prune`` leaves things alone.
    """

    def __init__(self, root: Path, *, young: float = YOUNG) -> None:
        # Programs are started from elsewhere: what lay_out returns must not depend on this process's directory.
        self.root = root = root.resolve()
        self.blobs = root / "blobs" / "sha256"
        self.layers = root / "layers"
        self._young = young
        self._numbers = count()
        self._lock = Lock()
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        # Programs of other users must get to their own layers, but may not see which others there are.
        for directory, mode in ((root, 0o711), (self.blobs.parent, 0o700), (self.blobs, 0o700), (self.layers, 0o711)):
            directory.mkdir(mode=mode, parents=True, exist_ok=True)
        self._index = Index(root)

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there; one that is counts as used just now, so that pruning spares it."""
        try:
            os.utime(self._blob(digest))
        except (KeyError, FileNotFoundError):
            return False
        return True

    def put(self, digest: str, chunks: Iterator[bytes]) -> None:
        """Store a blob: hashed while it is written, on disk before it gets its name."""
        if self.has(digest):
            return
        doing = f"storing {digest}"
        try:
            path = self._blob(digest)
        except KeyError as error:
            raise corrupt(doing, "that is no sha256 digest") from error
        temporary = self.blobs / f".{os.getpid()}.{next(self._numbers)}.new"
        try:
            with room_for(doing):
                found = _write(temporary, chunks)
                if found != digest:
                    raise corrupt(doing, f"the bytes received are {found}")
                temporary.replace(path)
                sync_directory(self.blobs)
        finally:
            temporary.unlink(missing_ok=True)

    def arrived(self, digest: str) -> int:
        """Return how many of a blob's first bytes have come in pieces."""
        return 0 if self.has(digest) else self._arriving(digest).here()

    def add(self, digest: str, offset: int, chunks: Iterator[bytes], size: int) -> int:
        """Add pieces to a blob; it gets its name with the last one, hashed and on disk."""
        if self.has(digest):
            return size
        return self._arriving(digest).take(offset, chunks, size)

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading; KeyError when it is not there."""
        try:
            return self._blob(digest).open("rb")
        except FileNotFoundError:
            raise KeyError(digest) from None

    def lay_out(self, layer: Layer) -> str:
        """Unpack a layer and return its directory; an environment is tied to this host's interpreter."""
        laid = self._laid(layer.diff_id)
        with self._lock:
            lock = self._locks[layer.diff_id]
        with lock, room_for(f"laying out layer {layer.diff_id}"):
            if not laid.is_whole():
                self._require(layer.digest, f"laying out layer {layer.diff_id}")
                self._unpack(laid, layer)
            laid.use(layer.role)
        return str(laid.tree)

    def verify(self, release: Release) -> None:
        """Hash every blob and every laid-out file of a release; raise ``artifact-corrupt`` naming the first bad one."""
        doing = f"verifying {release.project} {release.version}"
        layers = {layer.diff_id: layer for artifact in release.artifacts for layer in artifact.layers}
        for layer in layers.values():
            self._require(layer.digest, doing)
        # Beside each other: a blob is one long hash, which leaves the interpreter free for a tree of small files.
        with ThreadPoolExecutor(max_workers=1) as beside:
            blobs = [beside.submit(self._check_blob, layer.digest, doing) for layer in layers.values()]
            for layer, blob in zip(layers.values(), blobs, strict=True):
                self._laid(layer.diff_id).check(layer.role, doing)
                blob.result()

    def free_bytes(self) -> int:
        """Return the free space of the store's file system in bytes, as far as this user may use it."""
        status = os.statvfs(self.root)
        return status.f_bavail * status.f_frsize

    def prune(self, keep: Collection[str]) -> int:
        """Remove blobs and layers that ``keep`` does not name, except young ones; return bytes freed."""
        return prune(self, self._index, keep, before=time.time() - self._young)

    def index(self, manifest: str, annotations: Mapping[str, str]) -> None:
        """Enter a stored OCI manifest in the layout's index."""
        self._index.add(manifest, self._blob(manifest).stat().st_size, annotations)

    def _blob(self, digest: str) -> Path:
        match = DIGEST.fullmatch(digest)
        if match is None:
            raise KeyError(digest)
        return self.blobs / match[1]

    def _arriving(self, digest: str) -> Arriving:
        match = DIGEST.fullmatch(digest)
        if match is None:
            raise corrupt(f"storing {digest}", "that is no sha256 digest")
        with self._lock:
            lock = self._locks[digest]
        return Arriving(self.blobs, match[1], lock)

    def _laid(self, diff_id: str) -> LaidOut:
        match = DIGEST.fullmatch(diff_id)
        if match is None:
            raise corrupt(f"looking for layer {diff_id}", "that is no sha256 digest")
        return LaidOut(self.layers, match[1])

    def _require(self, digest: str, doing: str) -> None:
        if not self.has(digest):
            raise corrupt(doing, f"blob {digest} is missing")

    def _check_blob(self, digest: str, doing: str) -> None:
        with self._blob(digest).open("rb") as file:
            found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            self._set_aside(digest)
            raise corrupt(doing, f"blob {digest} was changed, its bytes are now {found}")

    def _unpack(self, laid: LaidOut, layer: Layer) -> None:
        try:
            with self.open(layer.digest) as blob:
                laid.unpack(blob, layer)
        except BaseException:
            # Changed bytes mostly show as an unreadable archive first: name the cause, not its consequence.
            self._check_blob(layer.digest, f"laying out layer {layer.diff_id}")
            raise

    def _set_aside(self, digest: str) -> None:
        # Under its own name a bad blob would count as there, and fetching it again could not mend the store.
        path = self._blob(digest)
        path.replace(path.with_name(f".{path.name}.corrupt"))


def _write(path: Path, chunks: Iterator[bytes]) -> str:
    hashed = hashlib.sha256()
    with path.open("xb") as file:
        for chunk in chunks:
            hashed.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return "sha256:" + hashed.hexdigest()
