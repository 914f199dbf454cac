"""Images that somebody else built are taken once, by what the engine has under their name."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from lading.build.image import Site
from lading.build.store import OciStore
from lading.build.taken import taken
from lading.docker import Engine, EngineRefused
from lading.model.errors import LadingError
from tests.unit.build.archives import archive, member

LAYER = archive([member("usr/bin/redis-server", b"a server")])


class Registry:
    """An engine that has some images and fetches one more; it counts how often one is taken out of it."""

    def __init__(self, *known: str, fetches: str = "") -> None:
        self.known = set(known)
        self.fetches = fetches
        self.taken = 0
        self.content = LAYER

    def get(self, path: str, **_: Any) -> Any:
        name = path.removeprefix("/images/").removesuffix("/json").replace("%3A", ":").replace("%2F", "/")
        if name not in self.known:
            raise EngineRefused("look", 404, f"No such image: {name}")
        return {"Id": f"sha256:{sha256(self.content).hexdigest()}"}

    @contextmanager
    def stream(self, method: str, path: str, **query: Any) -> Iterator[BinaryIO]:
        if path == "/images/create":
            if query["fromImage"] != self.fetches:
                yield io.BytesIO(b'{"status": "Pulling"}\n{"error": "manifest unknown"}\n')
                return
            self.known.add(self.fetches)
            yield io.BytesIO(b'{"status": "Downloaded"}\n')
            return
        self.taken += 1
        yield io.BytesIO(self._exported())

    def _exported(self) -> bytes:
        diff_id = f"sha256:{sha256(self.content).hexdigest()}"
        config = {"os": "linux", "architecture": "amd64", "config": {}, "rootfs": {"diff_ids": [diff_id]}}
        listing = [{"Config": "config.json", "RepoTags": [], "Layers": ["1/layer.tar"]}]
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, content in (
                ("manifest.json", json.dumps(listing).encode()),
                ("config.json", json.dumps(config).encode()),
                ("1/layer.tar", self.content),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return out.getvalue()


def site(home: Path, engine: Registry) -> Site:
    (home / "work").mkdir(exist_ok=True)
    (home / "cache").mkdir(exist_ok=True)
    return Site(
        project="shop",
        store=OciStore(home / "store"),
        cache=home / "cache",
        work=home / "work",
        engine=cast(Engine, engine),
        known=(),
        build_secret=lambda _name: None,
        report=lambda _text, _line=None: None,
    )


def test_it_is_taken_once_and_again_where_it_is_another(tmp_path: Path) -> None:
    """A second release asks the engine for nothing but its number; another image under the tag is another artifact."""
    engine = Registry("redis:7")
    here = site(tmp_path, engine)
    first = taken("cache", "redis:7", here)
    assert (first.name, first.kind, engine.taken) == ("cache.image", "image", 1)
    assert here.store.has(first.layer("layer-001").digest)
    assert (taken("cache", "redis:7", here), engine.taken) == (first, 1)
    assert taken("queue", "redis:7", here).name == "queue.image"
    engine.content = archive([member("usr/bin/redis-server", b"another server")])
    assert taken("cache", "redis:7", here).digest != first.digest
    assert engine.taken == 2


def test_what_the_store_lost_is_taken_again(tmp_path: Path) -> None:
    """A note of an image whose layers were pruned is no image."""
    engine = Registry("redis:7")
    first = taken("cache", "redis:7", site(tmp_path, engine))
    (tmp_path / "store" / "blobs" / "sha256" / first.layer("layer-001").digest.removeprefix("sha256:")).unlink()
    assert taken("cache", "redis:7", site(tmp_path, engine)) == first
    assert engine.taken == 2


def test_it_is_fetched_where_it_is_not_there(tmp_path: Path) -> None:
    """The engine fetches it; where that fails, its own words are told with what helps."""
    engine = Registry(fetches="registry.example:5000/redis:7")
    assert taken("cache", "registry.example:5000/redis:7", site(tmp_path, engine)).kind == "image"
    with pytest.raises(LadingError, match="fetching it failed: manifest unknown") as refused:
        taken("cache", "redis:9", site(tmp_path, engine))
    assert (refused.value.code, "docker pull redis:9" in refused.value.hint) == ("build-failed", True)
