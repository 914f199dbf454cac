"""An image that somebody else built → artifact: the tag is resolved once, when the release is made, and for good."""

from pathlib import Path
from typing import Any

import msgspec

from lading.build.disk import write_whole
from lading.build.errors import build_failed
from lading.build.exported import export
from lading.build.image import Site, artifact_of
from lading.docker import Engine
from lading.docker.pulling import find_image, pull_image
from lading.model import typed
from lading.model.release import Artifact, backing_name


def taken(service: str, reference: str, site: Site) -> Artifact:
    """Put a third-party image into the store as it is in the engine now, fetched from its registry if it is not there.

    What was taken before is not taken out of the engine again. Errors: ``no-engine``, ``build-failed``, ``no-space``.
    """
    found = find_image(site.engine, reference) or _pull(site.engine, service, reference)
    note = _note(site.cache, str(found["Id"]))
    artifact = _known(note)
    if artifact is None or not all(site.store.has(layer.digest) for layer in artifact.layers):
        artifact = artifact_of(service, export(site.engine, str(found["Id"]), site.work), site)
        write_whole(note, msgspec.json.encode(artifact))
    else:
        site.report(f"{service:12} {reference}, taken before")
    return msgspec.structs.replace(artifact, name=backing_name(service))


def _note(cache: Path, image: str) -> Path:
    notes = cache / "images-taken"
    notes.mkdir(exist_ok=True)
    return notes / f"{image.removeprefix('sha256:')}.json"


def _known(note: Path) -> Artifact | None:
    try:
        return typed.decode(note.read_bytes(), Artifact)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def _pull(engine: Engine, service: str, reference: str) -> dict[str, Any]:
    found, said = pull_image(engine, reference)
    if found is None:
        raise build_failed(
            f"fetching the image of {service}",
            f"{reference} is not in the engine, and fetching it failed: {said}",
            hint=f"docker pull {reference}, or docker load it; without a registry, see docs/containers.md",
        )
    return found
