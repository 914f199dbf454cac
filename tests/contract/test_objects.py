"""Every store of objects keeps the promises of its port: the one in memory, and a server that speaks S3."""

from collections.abc import Iterator

import pytest

from lading.model.secret import Secret
from lading.objects.s3 import PART, S3Objects
from lading.ports.objects import Objects, Opened
from lading.ports.objects.conformance import Bench, ObjectsConformance, place
from lading.ports.objects.memory import MemoryObjects
from tests.stores import StoreServer, serving_store


class MemoryBench:
    """Objects in memory."""

    large = PART * 2

    def __init__(self) -> None:
        memory = MemoryObjects()
        self.objects: Objects = memory
        self._kept = memory.objects
        access, secret = memory.keys
        self.at = Opened(place(), Secret(access), Secret(secret))
        self.away = Opened(place(), Secret(access), Secret("guess-4711-guess"))

    def content(self, key: str) -> bytes | None:
        return self._kept.get(self.at.store.url(key))


class TestMemory(ObjectsConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return MemoryBench()


class ServedBench:
    """A bucket of its own on a server."""

    large = PART * 2

    def __init__(self, server: StoreServer) -> None:
        self.objects: Objects = S3Objects()
        self._bucket = server.new_bucket()
        self._server = server
        keys = (Secret("id-4711-id"), Secret("key-4711-key"))
        self.at = Opened(place(self._bucket, server.endpoint), *keys)
        self.away = Opened(place(self._bucket, "http://127.0.0.1:9"), *keys)

    def content(self, key: str) -> bytes | None:
        return self._server.content(self._bucket, key)


@pytest.fixture(scope="module")
def server() -> Iterator[StoreServer]:
    with serving_store() as server:
        yield server


class TestS3(ObjectsConformance):
    @pytest.fixture
    def bench(self, server: StoreServer) -> Bench:
        return ServedBench(server)
