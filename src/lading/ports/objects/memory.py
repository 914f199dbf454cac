"""Stores of objects in memory, which fail when a test says so."""

import hashlib
from collections.abc import Callable, Iterable, Iterator

from lading.ports.objects import Opened, Stored
from lading.ports.objects.refusals import failed, missing, taken


class MemoryObjects:
    """Keeps objects by their address. ``trouble`` is why no store answers (empty: all do); ``keys`` opens them."""

    def __init__(self, keys: tuple[str, str] = ("id-4711", "key-4711-key")) -> None:
        self.keys = keys
        self.objects: dict[str, bytes] = {}
        self.trouble = ""
        self.asked: list[str] = []

    def look(self, at: Opened) -> None:
        """Raise while a test says that no store answers, and for another key."""
        self._answer(at, f"looking at {at.store.store}")

    def put(self, at: Opened, key: str, size: int, read: Callable[[], Iterable[bytes]]) -> Stored:  # noqa: ARG002
        """Keep what is read; the same again is left, anything else refused."""
        url = at.store.url(key)
        self._answer(at, f"putting {url}")
        content = b"".join(read())
        if self.objects.setdefault(url, content) != content:
            raise taken(url)
        return Stored(len(content), hashlib.sha256(content).hexdigest())

    def get(self, at: Opened, key: str) -> tuple[int, Iterator[bytes]]:
        """Return what was put."""
        url = at.store.url(key)
        self._answer(at, f"getting {url}")
        if url not in self.objects:
            raise missing(url)
        content = self.objects[url]
        return len(content), iter([content])

    def _answer(self, at: Opened, doing: str) -> None:
        self.asked.append(doing)
        if self.trouble:
            raise failed(doing, self.trouble)
        if (at.access.reveal(), at.secret.reveal()) != self.keys:
            raise failed(doing, "the store does not know the key, or its secret is another")
