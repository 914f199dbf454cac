"""Where artifacts lie: by content, so that bytes are what their digest says."""

from collections.abc import Collection, Iterator
from typing import BinaryIO, Protocol

from lading.model.release import Layer, Release


class Store(Protocol):
    """A content-addressed store of blobs, and the layers laid out from them.

    Errors: ``artifact-corrupt`` (bytes differ from their digest), ``no-space``.
    """

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there (its bytes are not read)."""
        ...

    def put(self, digest: str, chunks: Iterator[bytes]) -> None:
        """Store a blob; it appears whole and verified or not at all. Storing it again does nothing."""
        ...

    def arrived(self, digest: str) -> int:
        """Return how many of a blob's first bytes are here: those of :meth:`add` so far; 0 when it is whole."""
        ...

    def add(self, digest: str, offset: int, chunks: Iterator[bytes], size: int) -> int:
        """Add to a blob that arrives in pieces, and return how many of its ``size`` bytes are here then.

        What came before the sender broke off is kept; bytes that are here already are passed over. With the last byte
        the blob appears, verified; when it is not what its digest says, nothing of it is kept. Raise ``usage`` when
        bytes before ``offset`` are missing.
        """
        ...

    def open(self, digest: str) -> BinaryIO:
        """Open a blob for reading; KeyError when it is not there."""
        ...

    def lay_out(self, layer: Layer) -> str:
        """Unpack a layer (verified against ``digest`` and ``diff_id``) and return its directory, read-only by intent.

        A second call returns the same directory at once; a half-unpacked one of a crashed call is never returned.
        """
        ...

    def verify(self, release: Release) -> None:
        """Check every blob and laid-out layer of a release; raise ``artifact-corrupt`` naming the first bad one."""
        ...

    def free_bytes(self) -> int:
        """Return the free space of the store's file system in bytes."""
        ...

    def prune(self, keep: Collection[str]) -> int:
        """Remove blobs and layers that no release in ``keep`` (diff ids and blob digests) names; return bytes freed."""
        ...
