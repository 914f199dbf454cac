"""The Store port's promises, kept by every adapter."""

from pathlib import Path

import pytest

from lading.build.store import OciStore
from lading.build.unpack import make_writable
from lading.ports.store import Store
from lading.ports.store.conformance import StoreConformance
from lading.ports.store.memory import MemoryStore


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    def corrupt_blob(self, store: Store, digest: str) -> None:
        assert isinstance(store, MemoryStore)
        store.corrupt(digest)

    def read_tree(self, store: Store, place: str) -> dict[str, bytes]:
        assert isinstance(store, MemoryStore)
        return store.tree(place)

    def change_file(self, store: Store, place: str, name: str, data: bytes) -> None:
        assert isinstance(store, MemoryStore)
        store.tree(place)[name] = data


class TestOciStore(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return OciStore(tmp_path / "store", young=-1.0)

    def corrupt_blob(self, store: Store, digest: str) -> None:
        assert isinstance(store, OciStore)
        path = store.blobs / digest.removeprefix("sha256:")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def read_tree(self, store: Store, place: str) -> dict[str, bytes]:
        top = Path(place)
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in top.rglob("*") if path.is_file()}

    def change_file(self, store: Store, place: str, name: str, data: bytes) -> None:
        make_writable(Path(place))
        path = Path(place, name)
        if path.exists():
            path.chmod(0o644)
        path.write_bytes(data)
