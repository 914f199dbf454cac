"""The Store port's promises, kept by every adapter."""

import pytest

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
