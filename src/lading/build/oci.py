"""An artifact as an OCI image: configuration, manifest, bill of materials, entry in the index."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from lading.build.index import MANIFEST, REFERENCE
from lading.build.prune import SBOM_ANNOTATION
from lading.model.canonical import canonical_json
from lading.model.release import Artifact
from lading.ports.store import Store

CONFIG = "application/vnd.oci.image.config.v1+json"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


@runtime_checkable
class Indexed(Protocol):
    """A store that is an OCI layout and lists its manifests."""

    def index(self, manifest: str, annotations: Mapping[str, str]) -> None:
        """Enter a stored manifest."""
        ...


def describe(store: Store, artifact: Artifact, sbom: bytes | None, names: Mapping[str, str], created: float) -> None:
    """Store an artifact's configuration, manifest and bill of materials, and enter it in the store's index.

    ``names`` has ``project``, ``version`` and ``commit``; ``created`` is in seconds since the epoch. Neither is part
    of the manifest, so the same artifact has one manifest whatever it is called.
    """
    if artifact.kind == "image":
        own = artifact.layer("config")
        config = {"digest": own.digest, "size": own.size}
    else:
        config = _put(store, canonical_json(_config(artifact)))
    bill = _put(store, sbom) if sbom is not None else None
    manifest = _put(store, canonical_json(_manifest(artifact, config, bill)))
    if isinstance(store, Indexed):
        store.index(manifest["digest"], _annotations(artifact, names, created))


def _put(store: Store, content: bytes) -> dict[str, Any]:
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    store.put(digest, iter([content]))
    return {"digest": digest, "size": len(content)}


def _config(artifact: Artifact) -> dict[str, Any]:
    platform = artifact.platform
    return {
        "architecture": ARCHITECTURES.get(platform.machine, platform.machine),
        "os": platform.system,
        "config": {"Labels": {"dev.lading.libc": platform.libc, "dev.lading.python": platform.python}},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in artifact.layers]},
    }


def _manifest(artifact: Artifact, config: dict[str, Any], sbom: dict[str, Any] | None) -> dict[str, Any]:
    layers = [
        {
            "mediaType": layer.media_type,
            "digest": layer.digest,
            "size": layer.size,
            "annotations": {"dev.lading.role": layer.role},
        }
        for layer in artifact.layers
        if layer.role != "config"
    ]
    bill = {SBOM_ANNOTATION: sbom["digest"]} if sbom is not None else {}
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, **config},
        "layers": layers,
        "annotations": {**bill, "dev.lading.artifact": artifact.digest},
    }


def _annotations(artifact: Artifact, names: Mapping[str, str], created: float) -> dict[str, str]:
    return {
        REFERENCE: f"{names['project']}/{artifact.name}:{names['version']}",
        "org.opencontainers.image.created": datetime.fromtimestamp(created, UTC).isoformat(timespec="seconds"),
        "org.opencontainers.image.revision": names["commit"],
        "org.opencontainers.image.version": names["version"],
        "dev.lading.project": names["project"],
    }
