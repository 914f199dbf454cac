"""From the store into the engine: only what it lacks crosses over."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
import zstandard

from lading.docker import EngineRefused
from lading.model.errors import LadingError
from lading.model.manifest import Manifest, Project
from lading.model.release import Artifact, Layer, Platform, Release
from lading.runtime.docker.images import Images
from lading.runtime.docker.names import Names


class FakeEngine:
    """Images by id with their layers; what is loaded is kept to be looked at."""

    def __init__(self) -> None:
        self.images: dict[str, list[str]] = {}
        self.tags: dict[str, str] = {}
        self.loaded: list[dict[str, bytes]] = []
        self.lacks_all = False
        self.root = "/"
        self.used: set[str] = set()

    def get(self, path: str, **_: Any) -> Any:
        if path == "/info":
            return {"DockerRootDir": self.root}
        if path == "/containers/json":
            return [{"ImageID": image} for image in self.used]
        if path == "/images/json":
            tags = {image: [tag for tag, of in self.tags.items() if of == image] for image in self.images}
            return [{"Id": image, "RepoTags": tags[image], "Size": 7} for image in self.images]
        name = path.removeprefix("/images/").removesuffix("/json").replace("%2F", "/").replace("%3A", ":")
        image = self.tags.get(name, name)
        if image not in self.images:
            raise EngineRefused("look", 404, "no such image")
        return {"Id": image, "RootFS": {"Layers": self.images[image]}, "Config": {}}

    def delete(self, path: str) -> Any:
        image = self.tags.pop(path.removeprefix("/images/").replace("%2F", "/").replace("%3A", ":"))
        del self.images[image]
        return [{"Deleted": image}]

    @contextmanager
    def stream(self, method: str, path: str, body: Iterator[bytes], **_: Any) -> Iterator[BinaryIO]:
        assert (method, path) == ("POST", "/images/load")
        files = {}
        with tarfile.open(fileobj=io.BytesIO(b"".join(body))) as tar:
            for member in tar:
                found = tar.extractfile(member)
                assert found is not None
                files[member.name] = found.read()
        self.loaded.append(files)
        if self.lacks_all and len(files) < 4:
            yield io.BytesIO(b'{"error": "layer is missing"}\n')
            return
        (listed,) = json.loads(files["manifest.json"])
        image = f"sha256:{listed['Config'].removesuffix('.json')}"
        self.images[image] = json.loads(files[listed["Config"]])["rootfs"]["diff_ids"]
        self.tags[listed["RepoTags"][0]] = image
        yield io.BytesIO(b'{"stream": "loaded"}\n')


class Shelf:
    """Blobs, and releases made of them."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def open(self, digest: str) -> BinaryIO:
        return io.BytesIO(self.blobs[digest])

    def layer(self, role: str, plain: bytes, *, packed: bool = True) -> Layer:
        blob = zstandard.compress(plain) if packed else plain
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        self.blobs[digest] = blob
        diff_id = f"sha256:{hashlib.sha256(plain).hexdigest()}"
        return Layer(role=role, diff_id=diff_id, digest=digest, size=len(blob), media_type="")

    def release(self, *layers: bytes) -> Release:
        made = [self.layer(f"layer-{number:03}", plain) for number, plain in enumerate(layers, start=1)]
        config = {"rootfs": {"diff_ids": [layer.diff_id for layer in made]}}
        whole = (self.layer("config", json.dumps(config).encode(), packed=False), *made)
        platform = Platform(system="linux", machine="x86_64")
        artifact = Artifact(name="app", kind="image", digest="sha256:a", platform=platform, layers=whole)
        manifest = Manifest(project=Project(name="shop"))
        return Release(project="shop", version="v1", digest="sha256:r", artifacts=(artifact,), manifest=manifest)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def images(engine: FakeEngine, shelf: Shelf, tmp_path: Path) -> Images:
    return Images(engine, Names(tmp_path), tmp_path / "images", shelf.open)  # type: ignore[arg-type]


def layers_in(files: dict[str, bytes]) -> list[bytes]:
    return [content for name, content in files.items() if name.endswith("layer.tar")]


def test_only_the_changed_layer_is_loaded(engine: FakeEngine, shelf: Shelf, images: Images) -> None:
    """A first release brings all its layers, a second one the one that changed, a third time nothing."""
    images.prepare(shelf.release(b"base", b"packages", b"code one"))
    assert layers_in(engine.loaded[0]) == [b"base", b"packages", b"code one"]
    second = shelf.release(b"base", b"packages", b"code two")
    images.prepare(second)
    assert layers_in(engine.loaded[1]) == [b"code two"]
    images.prepare(second)
    assert len(engine.loaded) == 2


def test_layers_above_a_difference_are_loaded_again(engine: FakeEngine, shelf: Shelf, images: Images) -> None:
    """A layer is what it is only on top of the same ones below it."""
    images.prepare(shelf.release(b"base", b"packages", b"code"))
    images.prepare(shelf.release(b"base", b"other packages", b"code"))
    assert layers_in(engine.loaded[1]) == [b"other packages", b"code"]


def test_an_engine_that_wants_all_layers_gets_them(engine: FakeEngine, shelf: Shelf, images: Images) -> None:
    """What an engine lists need not be what it can build on; then everything is handed over."""
    images.prepare(shelf.release(b"base", b"code one"))
    engine.lacks_all = True
    images.prepare(shelf.release(b"base", b"code two"))
    assert [len(layers_in(files)) for files in engine.loaded] == [2, 1, 2]


def test_a_missing_blob_is_told(shelf: Shelf, images: Images) -> None:
    """Nothing is half loaded: the layer that is missing is named."""
    release = shelf.release(b"base", b"code")
    del shelf.blobs[release.artifacts[0].layers[1].digest]
    with pytest.raises(LadingError) as refused:
        images.prepare(release)
    assert refused.value.code == "artifact-corrupt"


def test_pruning_takes_one_s_own_alone(engine: FakeEngine, shelf: Shelf, images: Images) -> None:
    """What is not kept goes; another's image, named by whatever tag, stays."""
    engine.images["sha256:other"] = []
    engine.tags["python:3.11-slim"] = "sha256:other"
    first, second = shelf.release(b"base", b"one"), shelf.release(b"base", b"two")
    images.prepare(first)
    images.prepare(second)
    kept = second.artifacts[0].layer("config").diff_id
    assert images.prune({kept}) == 7
    assert set(engine.images) == {"sha256:other", kept}


def test_an_image_that_somebody_removed_is_loaded_again(engine: FakeEngine, shelf: Shelf, images: Images) -> None:
    """What is wanted for a start is brought back from the store."""
    from tests.unit.runtime.test_docker_launch import spec

    release = shelf.release(b"base", b"code")
    images.prepare(release)
    engine.images.clear()
    engine.tags.clear()
    image_id = release.artifacts[0].layer("config").diff_id
    assert images.inspect(spec(layers={"config": image_id}))["Id"] == image_id


def test_room_is_asked_for_what_is_lacking_alone(images: Images, engine: FakeEngine, shelf: Shelf) -> None:
    """Layers that the engine has need none; one on the disk of the agent's home lies there once more."""
    engine.images["sha256:base"] = [shelf.layer("layer-001", b"base").diff_id]
    release = shelf.release(b"base", b"x" * 1000)
    room = images.room(release)
    assert room is not None
    assert room.needed in (2000, 3000)
    assert (room.place, room.could_go) == ("/", ())
    images.prepare(release)
    assert images.room(release) is None


def test_what_could_go_is_named_where_room_is_short(images: Images, engine: FakeEngine, shelf: Shelf) -> None:
    """Neither what a container uses nor what this agent keeps is offered."""
    kept = shelf.release(b"kept")
    images.prepare(kept)
    engine.images |= {"sha256:used": [], "sha256:old": [], "sha256:0123456789abcdef": []}
    engine.tags |= {"used:1": "sha256:used", "old:1": "sha256:old"}
    engine.used = {"sha256:used"}
    release = shelf.release(b"new")
    huge = [msgspec.structs.replace(layer, size=1 << 60, digest="sha256:0") for layer in release.artifacts[0].layers]
    artifact = msgspec.structs.replace(release.artifacts[0], layers=(release.artifacts[0].layers[0], *huge[1:]))
    room = images.room(msgspec.structs.replace(release, artifacts=(artifact,)))
    assert room is not None
    assert room.free < room.needed
    assert set(room.could_go) == {"old:1", "0123456789ab"}


def test_an_engine_that_keeps_its_images_elsewhere_is_not_judged(
    images: Images, engine: FakeEngine, shelf: Shelf
) -> None:
    """Of a disk that cannot be seen from here nothing is said."""
    engine.root = "/nowhere/at/all"
    assert images.room(shelf.release(b"new")) is None
