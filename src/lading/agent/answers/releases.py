"""What the agent answers of releases: lists of them, their blobs on the way, a build's stream."""

from typing import Any

import msgspec

from lading.model.release import Release


class MissingBlobs(msgspec.Struct, frozen=True, kw_only=True):
    """Blobs that are not here, by digest with how many of their first bytes are; and the bytes that are free."""

    missing: dict[str, int]
    free: int


class Crossed(msgspec.Struct, frozen=True, kw_only=True):
    """How many blobs crossed between an agent and a registry, and their bytes."""

    blobs: int
    size: int


class CrossingLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a stream: a blob that has crossed and its bytes, and last what crossed in all."""

    blob: str = ""
    size: int = 0
    crossed: Crossed | None = None


class BlobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a blob's bytes are here now, and whether that is all of it."""

    here: int
    whole: bool


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A release in a list: its names, its kind (``bundle``, ``image``), its commit and when it was built."""

    project: str
    version: str
    digest: str
    kind: str
    commit: str
    created: float


class Releases(msgspec.Struct, frozen=True, kw_only=True):
    """Releases, newest first."""

    releases: tuple[ReleaseView, ...]


class BuildLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a build's stream: an event, and last the release."""

    event: dict[str, Any] | None = None
    release: Release | None = None
