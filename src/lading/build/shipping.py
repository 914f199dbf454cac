"""A release's images to a registry and from it, where its builds name one: by digest, and only what is lacking."""

import hashlib
from collections.abc import Callable, Mapping

from lading.build.registry import MANIFEST, Logins, Registry
from lading.model.canonical import canonical_json
from lading.model.release import Artifact, Layer, Release
from lading.ports.store import Store

TAG_LENGTH = 128  # characters that a tag may have
# Hears of every blob that has crossed: what, and its bytes.
Report = Callable[[str, int], None]


def push_release(release: Release, store: Store, logins: Logins, report: Report) -> None:
    """Push the images whose builds name a registry; what is there is not sent again. Raise ``registry-failed``."""
    for artifact in release.artifacts:
        build = release.manifest.build.get(artifact.name)
        if artifact.kind != "image" or build is None or build.registry is None:
            continue
        registry = Registry(build.registry, logins)
        for layer in artifact.layers:
            if not registry.has(layer.digest):
                with store.open(layer.digest) as content:
                    registry.push(layer.digest, layer.size, content)
                report(layer.digest, layer.size)
        manifest = _manifest(artifact)
        # By a name, too: many registries throw away what none names.
        for reference in (f"sha256:{hashlib.sha256(manifest).hexdigest()}", _tag(artifact.name, release.version)):
            registry.put_manifest(reference, manifest)


def pull_blobs(repository: str, blobs: Mapping[str, int], store: Store, logins: Logins, report: Report) -> None:
    """Pull the blobs (by digest, with their sizes) that the store lacks; each is verified before it counts as there."""
    registry = Registry(repository, logins)
    for digest, size in blobs.items():
        if not store.has(digest):
            store.put(digest, registry.pull(digest))
            report(digest, size)


def _manifest(artifact: Artifact) -> bytes:
    config = artifact.layer("config")
    layers = [_descriptor(layer) for layer in artifact.layers if layer is not config]
    return canonical_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": _descriptor(config), "layers": layers})


def _descriptor(layer: Layer) -> dict[str, object]:
    return {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}


def _tag(build: str, version: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in f"{build}-{version}")
    return plain[:TAG_LENGTH]
