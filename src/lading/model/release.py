"""What was built, and the version that names it."""

import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from lading.model.canonical import digest_of
from lading.model.manifest import Manifest

SEMANTIC_VERSION = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")

# The artifact that holds what services have mounted, and what is served of images. No build can have that name.
FILES = "mounted.files"


def backing_name(service: str) -> str:
    """Return the name of the artifact that is a backing service's image. No build can have that name."""
    return f"{service}.image"


# What a work tree is called that differs from its commit: the version it would be, and a piece of its content's digest.
DIRTY_VERSION = re.compile(r".+-dirty\.[0-9a-f]{6,40}")


def is_dirty(version: str) -> bool:
    """Tell whether a version names a work tree with changes that no commit holds: for local environments only."""
    return DIRTY_VERSION.fullmatch(version) is not None


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """What an artifact runs on: ``linux``/``x86_64``, the C library and its version, Python's minor version."""

    system: str
    machine: str
    libc: str = ""
    python: str = ""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of an artifact.

    ``diff_id`` is the sha256 of the uncompressed tar (stable), ``digest`` that of the stored blob, ``size`` its
    bytes. ``role`` is ``environment`` or ``source`` for bundles, ``layer-N`` and ``config`` for images, ``files``
    for what services have mounted, ``static-SERVICE`` for what is served of an image.
    """

    role: str
    diff_id: str
    digest: str
    size: int
    media_type: str


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One built thing: an OCI image layout in the store, known by the digest of its diff ids and configuration.

    ``kind`` is ``bundle``, ``image`` or ``files``; the last is no program but plain files for others.
    """

    name: str
    kind: str
    digest: str
    platform: Platform
    layers: tuple[Layer, ...]

    def layer(self, role: str) -> Layer:
        """Return the layer of that role; KeyError when there is none."""
        for layer in self.layers:
            if layer.role == role:
                return layer
        raise KeyError(role)


class Migrations(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from a database's migration files: whose they are, and every revision among them, sorted."""

    tool: Literal["alembic", "django"]
    revisions: tuple[str, ...]


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A version, its artifacts, its frozen manifest and the migration heads it expects.

    ``migration_heads`` and ``migrations`` are by database, where the files say them. ``commit``, ``created`` (seconds
    since the epoch) and ``migrations`` (which the artifacts hold) are no part of the digest.
    """

    project: str
    version: str
    digest: str
    artifacts: tuple[Artifact, ...]
    manifest: Manifest
    migration_heads: dict[str, tuple[str, ...]] = {}
    commit: str = ""
    created: float = 0.0
    migrations: dict[str, Migrations] = {}

    @property
    def is_semantic(self) -> bool:
        """Whether the version is a semantic version, as production requires."""
        return SEMANTIC_VERSION.fullmatch(self.version) is not None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of artifacts that programs of it run from, sorted."""
        return tuple(sorted({artifact.kind for artifact in self.artifacts if artifact.kind != "files"}))

    def artifact(self, name: str) -> Artifact:
        """Return the artifact of that build name; KeyError when there is none."""
        for artifact in self.artifacts:
            if artifact.name == name:
                return artifact
        raise KeyError(name)


def artifact_digest(kind: str, platform: Platform, layers: Iterable[Layer]) -> str:
    """Return the digest of an artifact: its kind, its platform and the diff ids of its layers by role."""
    return digest_of({"kind": kind, "platform": platform, "layers": {layer.role: layer.diff_id for layer in layers}})


def release_digest(
    artifacts: tuple[Artifact, ...], manifest: Manifest, migration_heads: dict[str, tuple[str, ...]]
) -> str:
    """Return the digest of a release: artifact digests, manifest without environments, migration heads."""
    return digest_of(
        {
            "artifacts": {artifact.name: artifact.digest for artifact in artifacts},
            "manifest": manifest.frozen(),
            "migration_heads": {name: sorted(heads) for name, heads in migration_heads.items()},
        }
    )
