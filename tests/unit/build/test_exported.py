"""An image as an engine gives it out, in the forms that engines have."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import zstandard

from lading.build.exported import KnownLayers, export
from lading.build.store import OciStore
from lading.model.errors import LadingError

LAYERS = (b"base " * 400_000, b"code")


def plain(content: bytes) -> bytes:
    return content


class FakeEngine:
    """Gives out one image."""

    def __init__(self, members: dict[str, bytes], links: dict[str, str] | None = None) -> None:
        self.content = io.BytesIO()
        with tarfile.open(fileobj=self.content, mode="w") as tar:
            for name, data in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            for name, target in (links or {}).items():
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)

    @contextmanager
    def stream(self, method: str, path: str, **_: Any) -> Iterator[BinaryIO]:
        assert (method, path) == ("GET", "/images/app/get")
        self.content.seek(0)
        yield self.content


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config(*layers: bytes) -> bytes:
    return json.dumps({"rootfs": {"diff_ids": [digest(layer) for layer in layers]}}).encode()


def listing(*names: str) -> bytes:
    return json.dumps([{"Config": "c.json", "Layers": names}]).encode()


@pytest.mark.parametrize("packed", [plain, gzip.compress, zstandard.compress])
def test_layers_are_known_by_their_plain_content(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    """Some engines keep layers packed; what counts is what is in them."""
    members = {f"blobs/{number}": packed(layer) for number, layer in enumerate(LAYERS)}
    engine = FakeEngine({**members, "c.json": config(*LAYERS), "manifest.json": listing("blobs/0", "blobs/1")})
    exported = export(engine, "app", tmp_path)  # type: ignore[arg-type]
    assert [path.read_bytes() for _, path in exported.layers] == list(LAYERS)
    assert [diff_id for diff_id, _ in exported.layers] == [digest(layer) for layer in LAYERS]


def test_a_layer_that_is_there_twice_is_followed(tmp_path: Path) -> None:
    """The second time it is a link to the first."""
    engine = FakeEngine(
        {
            "a/layer.tar": b"same",
            "c.json": config(b"same", b"same"),
            "manifest.json": listing("a/layer.tar", "b/layer.tar"),
        },
        {"b/layer.tar": "../a/layer.tar"},
    )
    exported = export(engine, "app", tmp_path)  # type: ignore[arg-type]
    assert len(exported.layers) == 2


def test_layers_that_are_not_what_the_image_says_are_refused(tmp_path: Path) -> None:
    """Nothing is taken over under a digest that is not its own."""
    engine = FakeEngine({"a": b"one", "c.json": config(b"two"), "manifest.json": listing("a")})
    with pytest.raises(LadingError) as refused:
        export(engine, "app", tmp_path)  # type: ignore[arg-type]
    assert refused.value.code == "build-failed"


def test_a_layer_is_compressed_once(tmp_path: Path) -> None:
    """A second release finds the blob of a layer that both have, as long as the store has it."""
    store, known = OciStore(tmp_path / "store", young=-1.0), KnownLayers(tmp_path / "known")
    file = tmp_path / "layer"
    file.write_bytes(LAYERS[0])
    first, fresh = known.put(store, "layer-001", digest(LAYERS[0]), file)
    again, known_now = known.put(store, "layer-002", digest(LAYERS[0]), file)
    assert (fresh, known_now) == (True, False)
    assert (first.digest, again.role) == (again.digest, "layer-002")
    store.prune(())
    assert known.put(store, "layer-001", digest(LAYERS[0]), file)[1]
    with store.open(first.digest) as blob:
        assert zstandard.frame_content_size(blob.read(32)) == len(LAYERS[0])
