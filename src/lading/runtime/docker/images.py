"""Images between the store and the engine: only the layers that the engine lacks are handed over."""

import io
import tarfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, cast

import msgspec
import zstandard

from lading.docker import Engine, EngineRefused
from lading.docker.engine import segment
from lading.docker.pulling import find_image, pull_image
from lading.model import typed
from lading.model.environment import InstanceSpec
from lading.model.errors import LadingError
from lading.model.release import Artifact, Layer, Release
from lading.ports.runtime import Room
from lading.runtime.docker.names import Names
from lading.runtime.docker.room import room, unknown_size

CONFIG = "config"  # the role of an image's configuration among its layers
LOADING = 600.0  # seconds that loading a large image may take
PIECE = 1 << 20  # bytes
HEAD = 32  # bytes of a compressed blob that say how large it is


class Images:
    """The images of one agent in its engine, each tagged by its configuration's digest.

    ``records`` is a directory with what is known of each, so that one that somebody removed can be loaded again;
    ``open_blob`` opens a blob of the store (KeyError when it is not there).
    """

    def __init__(self, engine: Engine, known: Names, records: Path, open_blob: Callable[[str], BinaryIO]) -> None:
        self._engine = engine
        self._names = known
        self._records = records
        self._open_blob = open_blob
        self._root: Path | None = None

    def room(self, release: Release) -> Room | None:
        """Return the room that loading a release needs and finds; None where it needs none, or the engine is far."""
        sizes: dict[str, int] = {}
        for artifact in (one for one in release.artifacts if one.kind == "image"):
            if self._find(release.project, artifact.layer(CONFIG).diff_id) is None:
                layers = _layers_of(artifact)
                there = self._layers_there([layer.diff_id for layer in layers])
                sizes |= {layer.diff_id: self._plain_size(layer) for layer in layers[there:]}
        if not sizes:
            return None
        if self._root is None:
            self._root = Path(self._engine.get("/info")["DockerRootDir"])
        home = self._records.parent
        return room(self._engine, self._root, home, self._names, sum(sizes.values())) if self._root.is_dir() else None

    def _plain_size(self, layer: Layer) -> int:
        try:
            with self._open_blob(layer.digest) as blob:
                size = zstandard.frame_content_size(blob.read(HEAD))
        except (KeyError, zstandard.ZstdError):  # not here, which is found out later; compressed in another way
            size = -1
        return size if size >= 0 else unknown_size(layer)

    def prepare(self, release: Release) -> None:
        """See that every image of a release is in the engine; a second call does nothing."""
        for artifact in release.artifacts:
            if artifact.kind == "image":
                self._record(artifact)
                self._provide(release.project, artifact)

    def inspect(self, spec: InstanceSpec) -> dict[str, Any]:
        """Return what the engine knows of an instance's image, loaded again if somebody removed it.

        One that no release brings is fetched from its registry unless the engine has it.
        """
        if spec.image is not None and CONFIG not in spec.layers:
            return find_image(self._engine, spec.image) or self._pull(spec, spec.image)
        image_id = spec.layers[CONFIG]
        found = self._find(spec.project, image_id)
        if found is None and self._file(image_id).exists():
            self._provide(spec.project, typed.decode(self._file(image_id).read_bytes(), Artifact))
            found = self._find(spec.project, image_id)
        if found is None:
            raise LadingError(
                "start-failed",
                doing=f"starting {spec.label} of {spec.version} in {spec.project}/{spec.environment}",
                happened=f"its image {image_id} is not in the engine",
                now="nothing of it runs; what served before is untouched",
                hint=f"lading deploy {spec.environment} {spec.version} --again, which loads it",
            )
        return found

    def reference(self, spec: InstanceSpec) -> str:
        """Return how the engine knows an instance's image."""
        if spec.image is not None and CONFIG not in spec.layers:
            return spec.image
        return self._names.image(spec.project, spec.layers[CONFIG])

    def _pull(self, spec: InstanceSpec, reference: str) -> dict[str, Any]:
        found, said = pull_image(self._engine, reference)
        if found is not None:
            return found
        raise LadingError(
            "start-failed",
            doing=f"starting {spec.label} of {spec.project}/{spec.environment}",
            happened=f"its image {reference} is not in the engine, and fetching it failed: {said}",
            now="nothing of it runs; what served before is untouched",
            hint=f"docker pull {reference}, or docker load it; without a registry, see docs/containers.md",
        )

    def prune(self, keep: Collection[str]) -> int:
        """Remove this agent's images whose digest ``keep`` does not name; one that is still in use stays.

        Return the bytes that the engine may have freed.
        """
        freed = 0
        for image in self._engine.get("/images/json"):
            for tag in image["RepoTags"] or ():
                repository, _, digest = tag.rpartition(":")
                if repository.startswith(self._names.repository("")) and f"sha256:{digest}" not in keep:
                    freed += self._remove(tag, digest, int(image["Size"]))
        return freed

    def _remove(self, tag: str, digest: str, size: int) -> int:
        try:
            gone = self._engine.delete(f"/images/{segment(tag)}")
        except EngineRefused as error:
            if error.status not in (404, 409):  # gone; in use
                raise
            return 0
        self._file(f"sha256:{digest}").unlink(missing_ok=True)
        return size if any("Deleted" in entry for entry in gone) else 0

    def _file(self, image_id: str) -> Path:
        return self._records / f"{image_id.removeprefix('sha256:')}.json"

    def _record(self, artifact: Artifact) -> None:
        file = self._file(artifact.layer(CONFIG).diff_id)
        if not file.exists():
            self._records.mkdir(mode=0o700, exist_ok=True)
            draft = file.with_suffix(".draft")
            draft.write_bytes(msgspec.json.encode(artifact))
            draft.replace(file)

    def _find(self, project: str, image_id: str) -> dict[str, Any] | None:
        return find_image(self._engine, self._names.image(project, image_id))

    # loading

    def _provide(self, project: str, artifact: Artifact) -> None:
        image_id = artifact.layer(CONFIG).diff_id
        if self._find(project, image_id) is not None:
            return
        layers = _layers_of(artifact)
        there = self._layers_there([layer.diff_id for layer in layers])
        tag = self._names.image(project, image_id)
        try:
            self._load(tag, artifact, layers, there)
        except EngineRefused:
            if not there:
                raise
            # What an image list says of layers need not hold for every kind of storage.
            self._load(tag, artifact, layers, 0)

    def _layers_there(self, diff_ids: Sequence[str]) -> int:
        """Return how many of an image's lowest layers the engine has, as part of any image."""
        most = 0
        for image in self._engine.get("/images/json"):
            try:
                known = self._engine.get(f"/images/{segment(image['Id'])}/json")["RootFS"].get("Layers") or []
            except EngineRefused:  # removed meanwhile
                continue
            pairs = zip(diff_ids, known, strict=False)
            most = max(most, next((n for n, (ours, theirs) in enumerate(pairs) if ours != theirs), len(known)))
        return min(most, len(diff_ids))

    def _load(self, tag: str, artifact: Artifact, layers: Sequence[Layer], there: int) -> None:
        with TemporaryFile(dir=self._records) as file:
            self._write_archive(file, tag, artifact, layers, there)
            file.seek(0)
            with self._engine.stream(
                "POST", "/images/load", _pieces(file), timeout=LOADING, kind="application/x-tar", quiet=True
            ) as answer:
                said = [typed.plain(line) for line in answer.read().splitlines() if line.strip()]
        problem = next((str(line["error"]) for line in said if "error" in line), "")
        if problem:
            raise EngineRefused("load an image", 500, problem)

    def _write_archive(self, file: BinaryIO, tag: str, artifact: Artifact, layers: Sequence[Layer], there: int) -> None:
        config = artifact.layer(CONFIG)
        names = [f"{layer.diff_id.removeprefix('sha256:')}/layer.tar" for layer in layers]
        config_name = f"{config.diff_id.removeprefix('sha256:')}.json"
        listing = [{"Config": config_name, "RepoTags": [tag], "Layers": names}]
        with tarfile.open(fileobj=file, mode="w") as tar:
            _add(tar, "manifest.json", msgspec.json.encode(listing))
            with self._blob(config) as blob:
                _add(tar, config_name, blob.read())
            for name, layer in list(zip(names, layers, strict=True))[there:]:
                with self._blob(layer) as blob, _plain(blob) as (plain, size):
                    info = tarfile.TarInfo(name)
                    info.size = size
                    tar.addfile(info, plain)

    def _blob(self, layer: Layer) -> BinaryIO:
        try:
            return self._open_blob(layer.digest)
        except KeyError as error:
            raise LadingError(
                "artifact-corrupt",
                doing=f"loading layer {layer.diff_id}",
                happened=f"blob {layer.digest} is missing",
                now="nothing of it is used; what serves is untouched",
                hint="fetch the release again from where it was built, or build it again",
            ) from error


def _layers_of(artifact: Artifact) -> list[Layer]:
    return [layer for layer in artifact.layers if layer.role != CONFIG]


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


@contextmanager
def _plain(blob: BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """Give a layer's bytes uncompressed, and their number; the frame's head says it where it was known in time."""
    head = blob.read(HEAD)
    blob.seek(0)
    size = zstandard.frame_content_size(head)
    with zstandard.ZstdDecompressor().stream_reader(blob, closefd=False) as plain:
        if size >= 0:
            yield cast(BinaryIO, plain), size
            return
        with TemporaryFile() as spool:
            while piece := plain.read(PIECE):
                spool.write(piece)
            length = spool.tell()
            spool.seek(0)
            yield cast(BinaryIO, spool), length


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece
