"""Uploads that are cut: what arrives, and how much of it was sent twice."""

import hashlib
import random
import threading
import time
from collections.abc import Iterator

from lading.client.address import parse_address
from lading.client.agent import Agent
from lading.client.transfer import send_blob
from tests.machines import Machine

PIECE = 1 << 16


class Upload:
    """A blob of random bytes on its way to a machine's agent; the cable is cut at ``cuts`` (bytes that crossed it)."""

    def __init__(self, machine: Machine, *, size: int, cuts: list[int], seed: int = 1) -> None:
        self._data = random.Random(seed).randbytes(size)
        self._digest = "sha256:" + hashlib.sha256(self._data).hexdigest()
        self._machine = machine
        self._cuts = sorted(cuts)
        self._over = threading.Event()
        self.address = "memory"
        self.sent = 0
        self.cut = 0
        self.seconds = 0.0

    @property
    def again(self) -> int:
        """Bytes that were sent more than once."""
        return self.sent - len(self._data)

    def run(self) -> "Upload":
        """Send it; raise AssertionError when it is not whole at the other side."""
        target = _Counting(self, f"ssh://root@{self._machine.address}")
        target.get("/v1/agent")
        cutting = threading.Thread(target=self._cut)
        cutting.start()
        began = time.monotonic()
        try:
            here = target.missing({self._digest: len(self._data)})[self._digest]
            send_blob(self._digest, len(self._data), self, target, here, lambda _: None)  # type: ignore[arg-type]
        finally:
            self._over.set()
            cutting.join()
        self.seconds = time.monotonic() - began
        assert target.missing({self._digest: len(self._data)}, sending=False) == {}, "the blob is not whole"
        return self

    def blob(self, digest: str, offset: int = 0) -> Iterator[bytes]:
        """Give the bytes, as a source does."""
        for start in range(offset, len(self._data), PIECE):
            yield self._data[start : start + PIECE]

    def _cut(self) -> None:
        before = self._machine.wire()
        for point in self._cuts:
            while self._machine.wire() - before < point:
                if self._over.wait(0.001):
                    return
            self._machine.cut()
            self.cut += 1


class _Counting(Agent):
    """An agent that counts what it is sent."""

    def __init__(self, upload: Upload, address: str) -> None:
        super().__init__(parse_address(address))
        self._upload = upload

    def add_to_blob(self, digest: str, offset: int, size: int, data: bytes, encoding: str = "") -> int:
        self._upload.sent += len(data)
        return super().add_to_blob(digest, offset, size, data, encoding)
